/** The embedded store: two SQLite files in one folder, shared by the processes of one machine. */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { CacheLimits } from "../cache.ts";
import type { Store } from "../store.ts";
import { SqliteCache } from "./cache.ts";

/** For processes that write at the same time. */
const busyMs = 5000;

/**
 * Opens or makes the files in `dir`; ":memory:" keeps everything in this process. Throws when the folder cannot be written or a
 * file is none of ours.
 */
export function openSqliteStore(dir: string, cache: CacheLimits): Store {
  // What was promised: every commit reaches the disk.
  const state = open(dir, "state.db", "full");
  // What can be made again.
  const scratch = open(dir, "scratch.db", "normal");
  return {
    kind: "sqlite",
    isAvailable: true,
    cache: new SqliteCache(scratch, cache),
    async close() {
      state.close();
      scratch.close();
    },
  };
}

function open(dir: string, name: string, synchronous: "full" | "normal"): Database {
  const inMemory = dir === ":memory:";
  if (!inMemory) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const database = new Database(inMemory ? dir : join(dir, name), { create: true, strict: true });
  database.run(`pragma busy_timeout = ${busyMs}`);
  database.run("pragma journal_mode = wal");
  database.run(`pragma synchronous = ${synchronous}`);
  return database;
}
