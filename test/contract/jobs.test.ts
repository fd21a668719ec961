/** The contract on both queues, and what the one on Redis does when Redis is away. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { StoreUnavailable } from "../../src/store/store.ts";
import { recordingLog } from "../helpers/log.ts";
import { redisServer, startRedis, type TestRedis } from "../helpers/redis.ts";
import { available, openStoreAt, redisStores, sqliteStores, type TestStores } from "../helpers/stores.ts";
import { jobsContract } from "./jobs.ts";

jobsContract("jobs in SQLite files", sqliteStores);

describe.skipIf(redisServer === null)("with a Redis (needs redis-server)", () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  jobsContract("jobs on Redis", () => redisStores(redis.url));
});

describe.skipIf(redisServer === null)("jobs on a Redis that goes away (needs redis-server)", () => {
  let redis: TestRedis;
  let stores: TestStores;
  beforeEach(async () => {
    redis = await startRedis();
    stores = await redisStores(redis.url);
  });
  afterEach(async () => {
    await stores[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
  });

  const refused = (promise: Promise<unknown>) => expect(promise).rejects.toBeInstanceOf(StoreUnavailable);

  test("are refused until it is there, and done then", async () => {
    await redis.kill();
    const store = openStoreAt(stores.address, recordingLog().log);
    const done = Promise.withResolvers<string>();
    store.jobs.work("transcription", 1, async ({ id }) => {
      done.resolve(id);
      return undefined;
    });
    await refused(store.jobs.add("transcription", "task_1"));
    await refused(store.jobs.count("transcription"));
    await refused(store.jobs.remove("transcription", "task_1"));
    await redis.start();
    await available(store);
    await store.jobs.add("transcription", "task_2");
    expect(await done.promise).toBe("task_2");
    await store.close();
  }, 30_000);

  test("do not hold up a store that closes while it is away", async () => {
    const store = await stores.open();
    const begun = Promise.withResolvers<void>();
    store.jobs.work("delivery", 1, async () => undefined);
    const worker = store.jobs.work("transcription", 1, async ({ signal }) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw signal.reason;
    });
    await store.jobs.add("transcription", "task_1");
    await begun.promise;
    await redis.kill();
    await worker.close(0);
    await store.close();
    const never = openStoreAt(stores.address, recordingLog().log);
    never.jobs.work("delivery", 1, async () => undefined);
    await never.close();
  }, 30_000);

  test("are refused within a bounded time when it does not answer, and taken when it does again", async () => {
    const store = await stores.open();
    await store.jobs.add("transcription", "task_1");
    redis.pause();
    await Promise.all([
      refused(store.jobs.add("transcription", "refused")),
      refused(store.jobs.count("transcription")),
      // Of this kind nothing was asked yet.
      refused(store.jobs.add("delivery", "refused")),
    ]);
    redis.resume();
    await available(store);
    await store.jobs.add("transcription", "task_2");
    await store.jobs.add("delivery", "msg_1");
    const done = new Set<string>();
    const both = Promise.withResolvers<void>();
    store.jobs.work("transcription", 1, async ({ id }) => {
      done.add(id);
      if (done.has("task_1") && done.has("task_2")) both.resolve();
      return undefined;
    });
    await both.promise;
  }, 30_000);

  test("are all done when it is killed and started again under work, waiting, delayed and running ones", async () => {
    const store = await stores.open();
    const ids = Array.from({ length: 60 }, (_, n) => `task_${n}`);
    const done = new Set<string>();
    let begun = 0;
    const some = Promise.withResolvers<void>();
    const all = Promise.withResolvers<void>();
    for (const [n, id] of ids.entries()) await store.jobs.add("transcription", id, n % 3 === 0 ? 500 : 0);
    store.jobs.work("transcription", 4, async ({ id, signal }) => {
      begun++;
      if (begun > 8) some.resolve();
      await Bun.sleep(20);
      signal.throwIfAborted();
      done.add(id);
      if (done.size === ids.length) all.resolve();
      return undefined;
    });
    await some.promise;
    await redis.kill();
    await refused(store.jobs.add("transcription", "refused"));
    await redis.start();
    await available(store);
    await all.promise;
    expect([...done].sort()).toEqual(ids.sort());
    while ((await store.jobs.count("transcription")).running > 0) await Bun.sleep(20);
    expect(await store.jobs.count("transcription")).toEqual({ waiting: 0, running: 0 });
    const told = stores.log.filter(({ level }) => level !== "debug").map(({ message }) => message);
    // It may be back before anyone has noticed.
    expect([[], ["Redis is away", "Redis is back"]]).toContainEqual(told);
  }, 60_000);
});
