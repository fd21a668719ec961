/** Names weights by what they are. */
import { open } from "node:fs/promises";

/** What is hashed at once, so that others get their turn in between: less than a millisecond. */
const chunkBytes = 1024 * 1024;

/** SHA-256 in hex. Of a file that cannot be read, something that no other file has: what depends on it is not taken for another's. */
export async function digestOfFile(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const hasher = new Bun.CryptoHasher("sha256");
    const chunk = new Uint8Array(chunkBytes);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunkBytes);
      if (bytesRead === 0) return hasher.digest("hex");
      hasher.update(chunk.subarray(0, bytesRead));
    }
  } catch {
    return crypto.randomUUID();
  }
}
