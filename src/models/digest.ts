/**
 * The SHA-256 of weights. What a download has verified is kept beside the file (`<file>.sha256`, as `sha256sum` writes it), with the file's
 * own time: where the two times are equal it is of these bytes, and gigabytes need not be read again.
 */
import { open, stat, utimes } from "node:fs/promises";
import { basename } from "node:path";

/** About a millisecond of hashing. */
const pieceBytes = 2 ** 20;

/** The note beside a file of weights. */
export const noteOf = (path: string) => `${path}.sha256`;

/** Notes the digest of a file that was verified. Never throws: without the note the file is read. */
export async function noteDigest(path: string, sha256: string): Promise<void> {
  try {
    const { mtime } = await stat(path);
    await Bun.write(noteOf(path), `${sha256}  ${basename(path)}\n`);
    await utimes(noteOf(path), mtime, mtime);
  } catch {
    // a read-only folder, say
  }
}

/** In lower-case hex. Reads the file in small pieces, between which others go on. Rejects when it cannot be read. */
export async function digestOf(path: string): Promise<string> {
  const noted = await notedDigest(path);
  if (noted !== null) return noted;
  const hash = new Bun.CryptoHasher("sha256");
  for await (const piece of piecesOf(path)) hash.update(piece);
  return hash.digest("hex");
}

/**
 * The bytes of a file, piece by piece in the same buffer. Timers and sockets have their turns between, which Bun.file().stream() does not
 * give them (Bun 1.4.5).
 */
export async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(pieceBytes);
  await using file = await open(path);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, pieceBytes);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

async function notedDigest(path: string): Promise<string | null> {
  try {
    const [weights, note] = await Promise.all([stat(path), stat(noteOf(path))]);
    // utimes has microseconds, the file system may have nanoseconds
    if (Math.abs(weights.mtimeMs - note.mtimeMs) > 1) return null;
    return /^[0-9a-f]{64}(?=\s)/.exec(await Bun.file(noteOf(path)).text())?.[0] ?? null;
  } catch {
    return null;
  }
}
