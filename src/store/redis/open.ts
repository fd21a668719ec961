/** The shared store: any number of processes on one Redis. */
import type { Store } from "../store.ts";
import { RedisConnection, type RedisOptions } from "./connection.ts";
import { RedisTasks } from "./tasks.ts";
import { RedisWebhooks } from "./webhooks.ts";

/** Does not wait for Redis: see Store.isAvailable. */
export function openRedisStore(options: RedisOptions): Store {
  const connection = new RedisConnection(options);
  return {
    kind: "redis",
    get isAvailable() {
      return connection.isAvailable;
    },
    webhooks: new RedisWebhooks(connection),
    tasks: new RedisTasks(connection),
    get jobs(): never {
      throw new Error("Jobs on Redis are not there yet");
    },
    async close() {
      connection.close();
    },
  };
}
