/** The shared store: any number of processes on one Redis. */
import { withFallback } from "../limiter.ts";
import { memoryLimiter } from "../sqlite/limiter.ts";
import type { Store, StoreOptions } from "../store.ts";
import { RedisCache } from "./cache.ts";
import { RedisConnection, type RedisOptions } from "./connection.ts";
import { RedisJobQueue } from "./jobs.ts";
import { RedisKeys } from "./keys.ts";
import { RedisLimiter } from "./limiter.ts";
import { RedisTasks } from "./tasks.ts";
import { RedisWebhooks } from "./webhooks.ts";

/** Does not wait for Redis: see Store.isAvailable. */
export function openRedisStore(options: RedisOptions & StoreOptions): Store {
  const connection = new RedisConnection(options);
  const jobs = new RedisJobQueue(connection);
  return {
    kind: "redis",
    get isAvailable() {
      return connection.isAvailable && jobs.isAvailable;
    },
    limiter: withFallback(new RedisLimiter(connection), memoryLimiter()),
    keys: new RedisKeys(connection),
    blobs: options.blobs,
    webhooks: new RedisWebhooks(connection),
    jobs,
    tasks: new RedisTasks(connection),
    cache: new RedisCache(connection, options.cache),
    async close() {
      await jobs.close();
      connection.close();
    },
  };
}
