/** Recordings that wait for a worker: files on disk, or objects in an S3-compatible bucket that other machines can read. */

/** A file for as long as it is used. Disposal removes it only where it is a copy. */
export interface LocalFile extends AsyncDisposable {
  readonly path: string;
}

export interface Blobs {
  /** Stores a copy of the file at `path`, or takes the file itself (it is gone then). Durable when it resolves. Overwrites. */
  put(key: string, path: string): Promise<void>;
  /** null: there is none. */
  open(key: string): Promise<LocalFile | null>;
  /** Idempotent. */
  remove(key: string): Promise<void>;
  /** Keys of blobs older than that: leftovers of crashes. */
  olderThan(ms: number): Promise<readonly string[]>;
}
