/** Stand-in until the real one is merged. */
import { copyFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Blobs } from "./blobs.ts";

export function diskBlobs(dir: string): Blobs {
  return {
    async put(key, path) {
      await mkdir(dir, { recursive: true });
      await rename(path, join(dir, key)).catch(() => copyFile(path, join(dir, key)));
    },
    async open(key) {
      const path = join(dir, key);
      return (await Bun.file(path).exists()) ? { path, async [Symbol.asyncDispose]() {} } : null;
    },
    async remove(key) {
      await rm(join(dir, key), { force: true });
    },
    async olderThan(ms) {
      const names = await readdir(dir).catch(() => []);
      const old: string[] = [];
      for (const name of names) {
        const found = await stat(join(dir, name)).catch(() => null);
        if (found && found.mtimeMs < Date.now() - ms) old.push(name);
      }
      return old;
    },
  };
}
