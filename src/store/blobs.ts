/** Recordings that wait for a worker: files on disk, or objects in an S3-compatible bucket that other machines can read. */

/** What a key may be: fit for a file's name and for an object's, on any system. */
export const isKey = (text: string) => /^[A-Za-z0-9_-]{1,128}$/.test(text);

/** The key itself. Throws a TypeError for any that is none: nothing else may become a path. */
export function checkKey(key: string): string {
  if (isKey(key)) return key;
  throw new TypeError(
    `Expected letters, digits, _ and -, at most 128, for key but received ${JSON.stringify(key.slice(0, 150))}`,
  );
}

/** A file for as long as it is used. Disposal removes it only where it is a copy. */
export interface LocalFile extends AsyncDisposable {
  readonly path: string;
}

/** Every operation rejects with StoreUnavailable when disk or bucket cannot be used now, within a bounded time. */
export interface Blobs {
  readonly kind: "disk" | "s3";
  /** Stores a copy of the file at `path`, or takes the file itself (it is gone then). Durable when it resolves. Overwrites. */
  put(key: string, path: string): Promise<void>;
  /** null: there is none. */
  open(key: string): Promise<LocalFile | null>;
  /** Idempotent. */
  remove(key: string): Promise<void>;
  /** Keys of blobs older than that: leftovers of crashes. */
  olderThan(ms: number): Promise<readonly string[]>;
}
