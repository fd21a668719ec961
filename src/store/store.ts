/**
 * What outlives a request and may be shared by several processes: one interface for each kind of state, implemented on embedded
 * SQLite files and on Redis. The layers above see the interfaces only.
 */
import type { Cache } from "./cache.ts";

export interface Store {
  readonly kind: "sqlite" | "redis";
  /** false: operations reject with StoreUnavailable for now. It comes back by itself. */
  readonly isAvailable: boolean;
  readonly cache: Cache;
  /** Ends connections and workers; jobs that run are given back to the queue. Idempotent. */
  close(): Promise<void>;
}

/** The database cannot be asked now. Every operation of a store may reject with it, within a bounded time. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";

  constructor(cause: unknown) {
    super("The store does not answer", { cause });
  }
}
