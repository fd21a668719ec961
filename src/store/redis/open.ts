/** The shared store: any number of processes on one Redis. */
import type { CacheLimits } from "../cache.ts";
import type { Store } from "../store.ts";
import { RedisCache } from "./cache.ts";
import { RedisConnection, type RedisOptions } from "./connection.ts";

export interface RedisStoreOptions extends RedisOptions {
  readonly cache: CacheLimits;
}

/** Does not wait for Redis: see Store.isAvailable. */
export function openRedisStore(options: RedisStoreOptions): Store {
  const connection = new RedisConnection(options);
  return {
    kind: "redis",
    get isAvailable() {
      return connection.isAvailable;
    },
    cache: new RedisCache(connection, options.cache),
    async close() {
      connection.close();
    },
  };
}
