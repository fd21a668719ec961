/** Blobs as files in one folder, which belongs to this program alone. */
import { constants } from "node:fs";
import { copyFile, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Blobs, checkKey, isKey, type LocalFile } from "../blobs.ts";
import { StoreUnavailable } from "../store.ts";

export class DiskBlobs implements Blobs {
  readonly kind = "disk";

  /** `dir` is made when something is stored. */
  constructor(private readonly dir: string) {}

  async put(key: string, path: string): Promise<void> {
    const target = this.#pathOf(key);
    await ask(async () => {
      await mkdir(this.dir, { recursive: true, mode: 0o700 });
      await sync(path);
      await rename(path, target).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== "EXDEV") throw error;
        await this.#copy(path, target);
      });
      // The name, too, has to survive.
      await sync(this.dir);
    });
  }

  async open(key: string): Promise<LocalFile | null> {
    const path = this.#pathOf(key);
    const isThere = await ask(() => exists(path));
    return isThere ? { path, async [Symbol.asyncDispose]() {} } : null;
  }

  async remove(key: string): Promise<void> {
    const path = this.#pathOf(key);
    await ask(() => rm(path, { force: true }));
  }

  async olderThan(ms: number): Promise<readonly string[]> {
    const limitMs = Date.now() - ms;
    return await ask(async () => {
      const old: string[] = [];
      for (const name of (await unless("ENOENT", readdir(this.dir))) ?? []) {
        const found = isKey(name) ? await unless("ENOENT", stat(join(this.dir, name))) : null;
        if (found?.isFile() && found.mtimeMs < limitMs) old.push(name);
      }
      return old;
    });
  }

  /** From another file system, under another name until it is whole: a key, so that a crash leaves what `olderThan` finds. */
  async #copy(path: string, target: string): Promise<void> {
    const part = this.#pathOf(`part-${crypto.randomUUID()}`);
    try {
      await copyFile(path, part, constants.COPYFILE_EXCL);
      await sync(part);
      await rename(part, target);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
  }

  #pathOf(key: string): string {
    return join(this.dir, checkKey(key));
  }
}

async function ask<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw new StoreUnavailable(error);
  }
}

/** To the disk: a file's content, or a folder's names. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await unless("ENOENT", stat(path))) !== null;
}

/** null where it fails with that code. */
async function unless<T>(code: string, promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return null;
    throw error;
  }
}
