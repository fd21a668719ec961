import { afterAll, beforeAll, describe } from "bun:test";
import { redisServer, startRedis, type TestRedis } from "../helpers/redis.ts";
import { redisStores, sqliteStores } from "../helpers/stores.ts";
import { deliveriesContract } from "./deliveries.ts";

deliveriesContract("webhooks over SQLite files", sqliteStores);

describe.skipIf(redisServer === null)("with a Redis (needs redis-server)", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  deliveriesContract("webhooks over Redis", async () => redisStores(redis.url));
});
