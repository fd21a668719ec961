/** The contracts of limiters and keys on both stores, and what each does beyond them. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { withFallback } from "../../src/store/limiter.ts";
import { RedisConnection } from "../../src/store/redis/connection.ts";
import { RedisKeys } from "../../src/store/redis/keys.ts";
import { RedisLimiter } from "../../src/store/redis/limiter.ts";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { memoryLimiter, SqliteLimiter } from "../../src/store/sqlite/limiter.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import { StoreUnavailable } from "../../src/store/store.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { silentLog } from "../helpers/log.ts";
import { redisServer, startRedis, type TestRedis } from "../helpers/redis.ts";
import { available, memoryStore, quietOptions } from "../helpers/stores.ts";
import { keysContract } from "./keys.ts";
import { limiterContract } from "./limiter.ts";

const needsRedis = redisServer === null ? " (skipped: needs redis-server)" : null;
const hour = { name: "hour", capacity: 100, windowMs: 3_600_000 };

/** Two stores on the same files. */
async function sqliteStores() {
  const dir = temporaryFolder();
  const stores = [
    openSqliteStore(dir.path, quietOptions()),
    openSqliteStore(dir.path, quietOptions()),
  ] as const;
  return {
    dir: dir.path,
    stores,
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
      dir[Symbol.dispose]();
    },
  };
}

limiterContract("the limiter on SQLite", async () => {
  const dir = temporaryFolder();
  const open = () => {
    const database = new Database(join(dir.path, "scratch.db"), { strict: true });
    database.run("pragma journal_mode = wal");
    return database;
  };
  const databases = [open(), open()] as const;
  return {
    limiters: [new SqliteLimiter(databases[0]), new SqliteLimiter(databases[1])],
    async [Symbol.asyncDispose]() {
      for (const database of databases) database.close();
      dir[Symbol.dispose]();
    },
  };
});

limiterContract("the limiter in memory", async () => {
  const limiter = memoryLimiter();
  return { limiters: [limiter, limiter], async [Symbol.asyncDispose]() {} };
});

keysContract("the keys on SQLite", async () => {
  const { stores, ...shared } = await sqliteStores();
  return { ...shared, keys: [stores[0].keys, stores[1].keys] };
});

describe("the limiter on SQLite", () => {
  test("gives processes that share it no more than the capacity", async () => {
    await using shared = await sqliteStores();
    const script = `
      import { openStoreAt } from ${JSON.stringify(join(import.meta.dir, "../helpers/stores.ts"))};
      import { silentLog } from ${JSON.stringify(join(import.meta.dir, "../helpers/log.ts"))};
      const { limiter, close } = openStoreAt(${JSON.stringify(shared.dir)}, silentLog);
      let granted = 0;
      for (let count = 0; count < 100; count += 1) {
        if ((await limiter.take("addr:1", [${JSON.stringify({ ...hour, windowMs: 864e5 })}], 1)).granted) granted += 1;
      }
      console.log(granted);
      await close();`;
    const takers = [1, 2, 3].map(() =>
      Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" }),
    );
    const granted = await Promise.all(
      takers.map(async ({ stdout }) => Number(await new Response(stdout).text())),
    );
    expect(granted.reduce((sum, count) => sum + count, 0)).toBe(100);
  }, 30_000);

  test("forgets buckets that are full", async () => {
    const database = new Database(":memory:", { strict: true });
    const limiter = new SqliteLimiter(database);
    const brief = { name: "brief", capacity: 1, windowMs: 1 };
    for (let caller = 0; caller < 10; caller += 1) await limiter.take(`addr:${caller}`, [brief], 1);
    await limiter.take("addr:stays", [hour], 1);
    await Bun.sleep(5);
    await limiter.take("addr:stays", [hour], 1);
    expect(database.query("select caller from buckets").all()).toEqual([{ caller: "addr:stays" }]);
  });

  test("becomes the process's own when the file cannot be used", async () => {
    const database = new Database(":memory:", { strict: true });
    const broken = new SqliteLimiter(database);
    database.close();
    expect(broken.take("addr:1", [hour], 1)).rejects.toBeInstanceOf(StoreUnavailable);
    const limiter = withFallback(broken, memoryLimiter());
    expect(await limiter.take("addr:1", [hour], 100)).toMatchObject({ granted: true });
    expect(await limiter.take("addr:1", [hour], 1)).toMatchObject({ granted: false });
    await limiter.give("addr:1", [hour], 1);
    expect(await limiter.take("addr:1", [hour], 1)).toMatchObject({ granted: true });
  });

  test("keys that cannot be asked for are the store's failure, not a server's fault", async () => {
    const { keys, close } = memoryStore();
    await close();
    for (const asked of [keys.find("x"), keys.isEmpty(), keys.list(), keys.revoke("x", 1)])
      expect(await asked.catch((error) => error)).toBeInstanceOf(StoreUnavailable);
  });

  test("does not hide other errors", async () => {
    const bug = new TypeError("bug");
    const broken = { take: () => Promise.reject(bug), give: () => Promise.reject(bug) };
    expect(withFallback(broken, memoryLimiter()).take("addr:1", [hour], 1)).rejects.toBe(bug);
  });
});

describe.skipIf(needsRedis !== null)(`on Redis${needsRedis ?? ""}`, () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis("--appendfsync", "no");
  });
  afterAll(() => redis[Symbol.asyncDispose]());

  /** Two connections, under a prefix of their own. */
  async function connections() {
    const options = { url: redis.url, prefix: crypto.randomUUID(), log: silentLog };
    const made = [new RedisConnection(options), new RedisConnection(options)] as const;
    await Promise.all(made.map(available));
    return {
      made,
      async [Symbol.asyncDispose]() {
        for (const connection of made) connection.close();
      },
    };
  }

  limiterContract("the limiter", async () => {
    const { made, ...shared } = await connections();
    return { ...shared, limiters: [new RedisLimiter(made[0]), new RedisLimiter(made[1])] };
  });

  keysContract("the store of keys", async () => {
    const { made, ...shared } = await connections();
    return { ...shared, keys: [new RedisKeys(made[0]), new RedisKeys(made[1])] };
  });

  test("keys of Redis live until all buckets are full, and no longer", async () => {
    await using shared = await connections();
    const [connection] = shared.made;
    const limiter = new RedisLimiter(connection);
    const brief = { name: "brief", capacity: 2, windowMs: 2000 };
    await limiter.take("addr:1", [hour], 1);
    expect(await connection.client.pttl("limits:addr:1")).toBeWithin(30_000, 36_001);
    await limiter.take("addr:1", [brief], 1);
    expect(await connection.client.pttl("limits:addr:1")).toBeWithin(30_000, 36_001);
    await limiter.take("addr:2", [brief], 1);
    expect(await connection.client.pttl("limits:addr:2")).toBeWithin(0, 1001);
    await limiter.take("addr:3", [brief], 0);
    expect(await connection.client.exists("limits:addr:3")).toBe(0);
  });

  test("a command that it refuses is told once, and is as if it were away", async () => {
    await using redis = await startRedis("--appendfsync", "no");
    const lines: string[] = [];
    const log = { ...silentLog, error: (message: string) => void lines.push(message) };
    const connection = new RedisConnection({ url: redis.url, prefix: "x", log });
    await available(connection);
    await connection.client.config("SET", "maxmemory", "1");
    const limiter = new RedisLimiter(connection);
    for (let count = 0; count < 3; count += 1)
      expect(await limiter.take("addr:1", [hour], 1).catch((error) => error)).toBeInstanceOf(
        StoreUnavailable,
      );
    expect(lines).toEqual(["Redis refuses a command"]);
    connection.close();
  });

  test("while it hangs or is gone, commands fail and limits are the process's own; then all is as before", async () => {
    await using redis = await startRedis("--appendfsync", "no");
    const lines: string[] = [];
    const tell = (message: string) => void lines.push(message);
    const store = openRedisStore({
      url: redis.url,
      prefix: "x",
      ...quietOptions({ ...silentLog, warn: tell, info: tell }),
    });
    const becomes = async (available: boolean) => {
      while (store.isAvailable !== available) await Bun.sleep(5);
    };
    const remaining = async () => (await store.limiter.take("addr:1", [hour], 1)).buckets[0]?.remaining;
    await becomes(true);
    expect([await remaining(), await remaining()]).toEqual([99, 98]);

    redis.pause();
    expect(await store.keys.isEmpty().catch((error) => error)).toBeInstanceOf(StoreUnavailable);
    await becomes(false);
    expect([await remaining(), await remaining()]).toEqual([99, 98]);
    redis.resume();
    await becomes(true);
    expect(await remaining()).toBe(97);

    await redis.kill();
    await becomes(false);
    expect(await store.keys.find("x").catch((error) => error)).toBeInstanceOf(StoreUnavailable);
    expect(await remaining()).toBe(97);
    await redis.start();
    await becomes(true);
    expect(await remaining()).toBe(96);
    await store.close();
    await store.close();
    expect(lines).toEqual(["Redis is away", "Redis is back", "Redis is away", "Redis is back"]);
  }, 30_000);

  test("its scripts are sent again after it has forgotten them", async () => {
    await using shared = await connections();
    const [connection] = shared.made;
    const limiter = new RedisLimiter(connection);
    await limiter.take("addr:1", [hour], 1);
    await connection.client.script("FLUSH");
    expect(await limiter.take("addr:1", [hour], 1)).toMatchObject({ granted: true });
  });
});
