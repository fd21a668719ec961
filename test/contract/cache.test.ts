/** The contract on both stores, and what each does beyond it. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { CacheLimits } from "../../src/store/cache.ts";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { SqliteCache } from "../../src/store/sqlite/cache.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import { type Store, StoreUnavailable } from "../../src/store/store.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { redisServer, startRedis, type TestRedis } from "../helpers/redis.ts";
import { available, memoryStore, quietOptions } from "../helpers/stores.ts";
import { cacheContract } from "./cache.ts";

const withCache = (cache: CacheLimits) => ({ ...quietOptions(), cache });

cacheContract("the SQLite cache", async (limits) => {
  const folder = temporaryFolder();
  const stores = [
    openSqliteStore(folder.path, withCache(limits)),
    openSqliteStore(folder.path, withCache(limits)),
  ] as const;
  return {
    cache: stores[0].cache,
    other: stores[1].cache,
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
      folder[Symbol.dispose]();
    },
  };
});

describe("the SQLite cache", () => {
  test("finds what was stored before a restart, and still knows its size", async () => {
    const folder = temporaryFolder();
    const limits = { ttlMs: 60_000, maxBytes: 1000 };
    const before = openSqliteStore(folder.path, withCache(limits));
    await before.cache.put("a", new Uint8Array(600));
    await before.close();
    const after = openSqliteStore(folder.path, withCache(limits));
    expect((await after.cache.get("a"))?.length).toBe(600);
    await after.cache.put("b", new Uint8Array(600));
    expect(await after.cache.get("a")).toBeNull();
    await after.close();
    folder[Symbol.dispose]();
  });

  test("evicts down to a size that was lowered", async () => {
    const database = new Database(":memory:", { strict: true });
    const large = new SqliteCache(database, { ttlMs: 60_000, maxBytes: 1000 });
    for (const key of ["a", "b", "c"]) await large.put(key, new Uint8Array(300));
    const small = new SqliteCache(database, { ttlMs: 60_000, maxBytes: 500 });
    await small.put("d", new Uint8Array(100));
    const kept = await Promise.all(["a", "b", "c", "d"].map(async (key) => (await small.get(key)) !== null));
    expect(kept).toEqual([false, false, true, true]);
  });

  test("goes by the clock that it is given", async () => {
    let now = 1_000_000;
    const database = new Database(":memory:", { strict: true });
    const cache = new SqliteCache(database, { ttlMs: 1000, maxBytes: 1000 }, () => now);
    await cache.put("a", new Uint8Array(1));
    now += 999;
    expect(await cache.get("a")).not.toBeNull();
    now += 1;
    expect(await cache.get("a")).toBeNull();
  });

  test("says StoreUnavailable when its file cannot be used", async () => {
    const store = memoryStore();
    await store.close();
    await expect(store.cache.get("a")).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.cache.put("a", new Uint8Array(1))).rejects.toBeInstanceOf(StoreUnavailable);
  });
});

const why = redisServer ? "real Redis" : "SKIPPED: redis-server is not installed";

describe.skipIf(redisServer === null)(`on Redis (${why})`, () => {
  let redis: TestRedis;
  let count = 0;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  /** A store that has nothing in common with the others. */
  const open = async (cache: CacheLimits, prefix = `test${++count}`): Promise<Store> => {
    const store = openRedisStore({ url: redis.url, prefix, ...withCache(cache) });
    await available(store);
    return store;
  };

  cacheContract("the Redis cache", async (limits) => {
    const cache = await open(limits);
    const other = await open(limits, `test${count}`);
    return {
      cache: cache.cache,
      other: other.cache,
      async [Symbol.asyncDispose]() {
        await cache.close();
        await other.close();
      },
    };
  });

  test("caches with different prefixes know nothing of each other", async () => {
    const limits = { ttlMs: 60_000, maxBytes: 1000 };
    const [one, another] = [await open(limits), await open(limits)];
    await one.cache.put("a", new Uint8Array(1000));
    await another.cache.put("a", new Uint8Array(1));
    expect((await one.cache.get("a"))?.length).toBe(1000);
    await one.close();
    await another.close();
  });

  test("it says StoreUnavailable while Redis is away, and finds its values when it is back", async () => {
    const store = await open({ ttlMs: 60_000, maxBytes: 1000 });
    await store.cache.put("a", new Uint8Array(3));
    await redis.kill();
    await expect(store.cache.get("a")).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(store.cache.put("a", new Uint8Array(1))).rejects.toBeInstanceOf(StoreUnavailable);
    await redis.start();
    await available(store);
    expect((await store.cache.get("a"))?.length).toBe(3);
    await store.close();
  });
});
