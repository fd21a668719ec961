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
    [this.name, this.#lock] = this.#claim();
  }

  /** Whether the process of that name has ended. False when it cannot be told. */
  isGone(name: string): boolean {
    if (name === this.name) return false;
    const path = this.#pathOf(name);
    if (!existsSync(path)) return true;
    try {
      using lock = new Database(path, { readwrite: true });
      hold(lock, 0);
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

  #claim(): [name: string, lock: Database] {
    for (;;) {
      const name = crypto.randomUUID();
      const lock = new Database(this.#pathOf(name), { create: true });
      // Waits for one who is just asking about it.
      hold(lock, 5000);
      if (existsSync(this.#pathOf(name))) return [name, lock];
      // One who asked before the lock was there has taken it for that of an ended process.
      lock.close();
    }
  }

  #pathOf(name: string): string {
    return join(this.dir, `${name}${suffix}`);
  }
}

/** Nothing is ever written, so there is no journal. Throws when another has it for so long. */
function hold(lock: Database, waitMs: number): void {
  lock.run(`pragma busy_timeout = ${waitMs}`);
  lock.run("pragma journal_mode = memory");
  lock.run("begin exclusive");
}
