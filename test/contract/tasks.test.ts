/** The contract on both stores, and what the one on Redis keeps when Redis is killed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { redisServer, startRedis, type TestRedis } from "../helpers/redis.ts";
import { available, redisStores, sqliteStores } from "../helpers/stores.ts";
import { tasksContract } from "./tasks.ts";

tasksContract("tasks in SQLite files", sqliteStores);

describe.skipIf(redisServer === null)("with a Redis (needs redis-server)", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  tasksContract("tasks on Redis", () => redisStores(redis.url));
});

test.skipIf(redisServer === null)(
  "tasks on Redis survive when it is killed and started again (needs redis-server)",
  async () => {
    await using redis = await startRedis();
    await using stores = await redisStores(redis.url);
    const store = await stores.open();
    const { tasks } = store;
    const task = { id: "task_1", caller: "me", createdAtMs: 1, request: "{}", blob: "b", bytes: 1 };
    await tasks.create(task, { perCaller: 1, maxBytes: 1 });
    await tasks.begin("task_1", 2);
    const progress = { durationMs: 3, channels: 1, doneMs: 1, totalMs: 3 };
    await tasks.append("task_1", 1, 0, ["a", "b"], progress);
    await redis.kill();
    await redis.start();
    await available(store);
    expect(await tasks.find("task_1")).toMatchObject({ ...task, ...progress, status: "running" });
    expect(await tasks.append("task_1", 1, 2, ["c"], progress)).toBe(true);
    expect(await tasks.segments("task_1", 0, 9)).toEqual(["a", "b", "c"]);
  },
);
