/** The embedded store: two SQLite files in one folder, shared by the processes of one machine. */
import { Database } from "bun:sqlite";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { withFallback } from "../limiter.ts";
import type { Store, StoreOptions } from "../store.ts";
import { SqliteCache } from "./cache.ts";
import { SqliteJobQueue } from "./jobs.ts";
import { SqliteKeys } from "./keys.ts";
import { memoryLimiter, SqliteLimiter } from "./limiter.ts";
import { Presence } from "./presence.ts";
import { SqliteTasks } from "./tasks.ts";
import { SqliteWebhooks } from "./webhooks.ts";

/** For processes that write at the same time. */
const busyMs = 5000;
const inMemory = ":memory:";

/**
 * Opens or makes the files in `dir`; ":memory:" keeps everything in this process. Throws when the folder cannot be written or a
 * file is none of ours.
 */
export function openSqliteStore(dir: string, { log, cache, blobs }: StoreOptions): Store {
  // What was promised: every commit reaches the disk.
  const state = open(dir, "state.db", "full");
  // What can be made again.
  const scratch = open(dir, "scratch.db", "normal");
  const presence = dir === inMemory ? null : new Presence(join(dir, "processes"));
  const hasty = dir === inMemory ? state : open(dir, "state.db", "normal");
  const jobs = new SqliteJobQueue(state, hasty, presence, log);
  return {
    kind: "sqlite",
    isAvailable: true,
    limiter: withFallback(new SqliteLimiter(scratch), memoryLimiter()),
    keys: new SqliteKeys(state),
    webhooks: new SqliteWebhooks(state),
    tasks: new SqliteTasks(state),
    blobs,
    jobs,
    cache: new SqliteCache(scratch, cache),
    async close() {
      await jobs.close();
      presence?.close();
      hasty.close();
      state.close();
      scratch.close();
    },
  };
}

function open(dir: string, name: string, synchronous: "full" | "normal"): Database {
  if (dir !== inMemory) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = dir === inMemory ? dir : join(dir, name);
  if (dir !== inMemory) makePrivate(path);
  const database = new Database(path, { create: true, strict: true });
  database.run(`pragma busy_timeout = ${busyMs}`);
  database.run("pragma journal_mode = wal");
  database.run(`pragma synchronous = ${synchronous}`);
  return database;
}

/**
 * SQLite would make it readable for others; what it puts beside it takes its mode. A file that is there is not touched: closing it
 * here would drop the locks that SQLite holds on it in this process.
 */
function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
