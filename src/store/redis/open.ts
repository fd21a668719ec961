/** The shared store: any number of processes on one Redis. */
import { withFallback } from "../limiter.ts";
import { memoryLimiter } from "../sqlite/limiter.ts";
import type { Store } from "../store.ts";
import { RedisConnection, type RedisOptions } from "./connection.ts";
import { RedisKeys } from "./keys.ts";
import { RedisLimiter } from "./limiter.ts";

/** Does not wait for Redis: see Store.isAvailable. */
export function openRedisStore(options: RedisOptions): Store {
  const connection = new RedisConnection(options);
  return {
    kind: "redis",
    get isAvailable() {
      return connection.isAvailable;
    },
    limiter: withFallback(new RedisLimiter(connection), memoryLimiter()),
    keys: new RedisKeys(connection),
    async close() {
      connection.close();
    },
  };
}
