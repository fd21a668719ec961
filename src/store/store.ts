/**
 * What outlives a request and may be shared by several processes: one interface for each kind of state, implemented on embedded
 * SQLite files and on Redis. The layers above see the interfaces only.
 */
import { AppError } from "../core/errors.ts";
import type { Logger } from "../log.ts";
import type { Blobs } from "./blobs.ts";
import type { Cache, CacheLimits } from "./cache.ts";
import type { JobQueue } from "./jobs.ts";
import type { Keys } from "./keys.ts";
import type { Limiter } from "./limiter.ts";
import type { Tasks } from "./tasks.ts";
import type { Webhooks } from "./webhooks.ts";

export interface StoreOptions {
  readonly log: Logger;
  readonly cache: CacheLimits;
  /** Kept elsewhere, whatever the database is. */
  readonly blobs: Blobs;
}

export interface Store {
  readonly kind: "sqlite" | "redis";
  readonly blobs: Blobs;
  readonly jobs: JobQueue;
  /** false: operations reject with StoreUnavailable for now. It comes back by itself. */
  readonly isAvailable: boolean;
  /** Answers always: with the buckets of this process alone while the shared ones cannot be asked. */
  readonly limiter: Limiter;
  readonly keys: Keys;
  readonly webhooks: Webhooks;
  readonly tasks: Tasks;
  readonly cache: Cache;
  /** Ends connections and workers; jobs that run are given back to the queue. Idempotent. */
  close(): Promise<void>;
}

/** Whether the store is available, as soon as it is or when that time is over. */
export async function availableWithin(
  store: Pick<Store, "isAvailable">,
  patienceMs: number,
): Promise<boolean> {
  const deadlineMs = performance.now() + patienceMs;
  while (!store.isAvailable && performance.now() < deadlineMs) await Bun.sleep(10);
  return store.isAvailable;
}

/** The database cannot be asked now. Every operation of a store may reject with it, within a bounded time. */
export class StoreUnavailable extends AppError {
  override readonly name = "StoreUnavailable";

  constructor(cause: unknown) {
    super("store_unavailable", "What this needs to store cannot be stored now", {
      retryAfterSeconds: 5,
      cause,
    });
  }
}
