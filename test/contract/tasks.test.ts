/** The contract on both stores. */
import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { Store } from "../../src/store/store.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { tasksContract } from "./tasks.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };

/** Resolves when the store answers; the test's own time limit ends it. */
async function available(store: Store): Promise<Store> {
  while (!store.isAvailable) await Bun.sleep(5);
  return store;
}

tasksContract("tasks on SQLite", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tasks-"));
  const [store, other] = [openSqliteStore(dir, log), openSqliteStore(dir, log)];
  return {
    tasks: store.tasks,
    again: other.tasks,
    async close() {
      await store.close();
      await other.close();
      await rm(dir, { recursive: true });
    },
  };
});

if (redisServer === null) {
  test.skip("tasks on Redis (needs redis-server)", () => {});
} else {
  tasksContract("tasks on Redis", async () => {
    const redis = await startRedis();
    const open = () => available(openRedisStore({ url: redis.url, prefix: "test", log }));
    const [store, other] = [await open(), await open()];
    return {
      tasks: store.tasks,
      again: other.tasks,
      async close() {
        await store.close();
        await other.close();
        await redis[Symbol.asyncDispose]();
      },
    };
  });

  describe("tasks on Redis", () => {
    test("survive when Redis is killed and started again", async () => {
      await using redis = await startRedis();
      const store = openRedisStore({ url: redis.url, prefix: "test", log });
      const { tasks } = await available(store);
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
      await store.close();
    });
  });
}
