/**
 * Tells the processes that share a folder which of them still live. Each holds a lock on a file of its own, which the kernel
 * drops with the process, however it ends. Process ids would not do: they are given out again, and in containers that share a
 * volume each first process has the same.
 */
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const suffix = ".alive";

export class Presence {
  /** Of this process, among all that ever used the folder. */
  readonly name: string;
  readonly #lock: Database;

  /** From now on this process is known in `dir`, which is made when it is missing. Files of processes that ended are removed. */
  constructor(private readonly dir: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const file of readdirSync(dir))
      if (file.endsWith(suffix)) this.isGone(file.slice(0, -suffix.length));
    do {
      this.name = crypto.randomUUID();
      this.#lock = new Database(this.#pathOf(this.name), { create: true });
      // Waits for those who are just asking about it.
      this.#lock.run("pragma busy_timeout = 5000");
      this.#lock.run("begin exclusive");
      // One who asked between the two lines has taken the file for that of an ended process.
    } while (!existsSync(this.#pathOf(this.name)));
  }

  /** Whether the process of that name has ended. False when it cannot be told. */
  isGone(name: string): boolean {
    if (name === this.name) return false;
    const path = this.#pathOf(name);
    if (!existsSync(path)) return true;
    try {
      using lock = new Database(path, { readwrite: true });
      lock.run("pragma busy_timeout = 0");
      lock.run("begin exclusive");
      rmSync(path, { force: true });
      return true;
    } catch {
      return !existsSync(path);
    }
  }

  close(): void {
    rmSync(this.#pathOf(this.name), { force: true });
    this.#lock.close();
  }

  #pathOf(name: string): string {
    return join(this.dir, `${name}${suffix}`);
  }
}
