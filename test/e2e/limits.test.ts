/** Limits and keys that servers share, and what becomes of them when Redis is away. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { type AddressInfo, connect, createServer } from "node:net";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { recording } from "../fixtures/index.ts";
import { redisServer, startRedis, type TestRedis } from "../helpers/redis.ts";
import { available, quietOptions } from "../helpers/stores.ts";
import { post, ready, textOf } from "./requests.ts";
import { eventually, type Server, startServer } from "./server.ts";

setDefaultTimeout(120_000);

const spoken = recording("en-digits.wav").text;
const needsRedis = redisServer === null ? " (skipped: needs redis-server)" : "";

/** A disk that is busy must not make it look dead; what was written outlives the process all the same. */
const unhurried = ["--appendfsync", "no"];

/** Resolves when it says so of its store. */
const storeIs = (server: Server, store: "available" | "unavailable") =>
  eventually(
    () => ready(server),
    (found) => found.store === store,
  );

/** A stored key with the given limits; gives the key. */
async function createKey(redis: TestRedis, limits: string | null = null): Promise<string> {
  const store = openRedisStore({ url: redis.url, prefix: "whisper", ...quietOptions() });
  await available(store);
  const key = `sk-${crypto.randomUUID()}`;
  await store.keys.create({
    ...{
      id: `key_${crypto.randomUUID()}`,
      name: "test",
      hint: key.slice(-4),
      scopes: ["transcribe"],
      limits,
    },
    ...{ audioLimits: null, createdAtMs: Date.now(), expiresAtMs: null, revokedAtMs: null },
    digest: new Bun.CryptoHasher("sha256").update(key).digest("hex"),
  });
  await store.close();
  return key;
}

/** Redis behind a connection that takes its time at first, as over a network; `delayMs` after the first one all are quick. */
async function slowly(
  redis: TestRedis,
  delayMs: number,
): Promise<AsyncDisposable & { readonly url: string }> {
  const { hostname, port } = new URL(redis.url);
  let isQuick: Promise<void> | null = null;
  const server = createServer(async (client) => {
    client.on("error", () => client.destroy());
    isQuick ??= Bun.sleep(delayMs);
    await isQuick;
    const upstream = connect(Number(port), hostname);
    upstream.on("error", () => client.destroy());
    client.on("close", () => upstream.destroy());
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${own}`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

describe.skipIf(redisServer === null)(`with Redis${needsRedis}`, () => {
  test("a server that listens has waited for Redis: the first request finds it", async () => {
    await using redis = await startRedis(...unhurried);
    await using far = await slowly(redis, 800);
    await using server = await startServer({ env: { REDIS_URL: far.url } });
    expect(await ready(server)).toMatchObject({ status: "ready", store: "available" });
  });

  test("two servers have one limit for a caller, in requests and in audio", async () => {
    await using redis = await startRedis(...unhurried);
    const key = await createKey(redis, "7/hour");
    const env = {
      REDIS_URL: redis.url,
      API_KEY: "other",
      RATE_LIMITS: "100/hour",
      RATE_LIMITS_AUDIO: "30s/hour",
      // What is answered from a result costs no audio.
      CACHE_MAX_BYTES: "0",
    };
    await using first = await startServer({ env });
    await using second = await startServer({ env });
    for (const server of [first, second]) await storeIs(server, "available");

    const replies = await Promise.all(
      Array.from({ length: 14 }, (_, index) => post(index % 2 ? first : second, "en-digits.wav", { key })),
    );
    expect(replies.map(({ status }) => status).sort()).toEqual([
      ...Array(7).fill(200),
      ...Array(7).fill(429),
    ]);

    // 10.5 s each: two fit into 30 s, on whichever server
    for (const [server, status] of [
      [first, 200],
      [second, 200],
      [first, 429],
    ] as const) {
      expect((await post(server, "en-segments.mp3", { key: "other" })).status).toBe(status);
    }
  });

  test("a server that starts without it serves those it can know, and all when it comes", async () => {
    await using redis = await startRedis(...unhurried);
    const stored = await createKey(redis);
    await redis.kill();
    const env = { REDIS_URL: redis.url, RATE_LIMITS: "2/hour" };
    await using guarded = await startServer({ env: { ...env, API_KEY: "known" } });
    await using open = await startServer({ env });
    for (const server of [guarded, open]) {
      const found = await fetch(`${server.url}/ready`);
      expect(found.status).toBe(200);
      expect(await found.json()).toMatchObject({ status: "degraded", store: "unavailable" });
    }

    // limits of its own
    const known = { key: "known" };
    expect(await textOf(await post(guarded, "en-digits.wav", known))).toBe(spoken);
    expect((await post(guarded, "en-digits.wav", known)).headers.get("x-ratelimit-remaining-requests")).toBe(
      "0",
    );
    expect((await post(guarded, "en-digits.wav", known)).status).toBe(429);
    // whether there are keys nobody can say: it must not be open
    for (const [server, key] of [
      [guarded, stored],
      [open, stored],
      [open, undefined],
    ] as const) {
      const refused = await post(server, "en-digits.wav", key === undefined ? {} : { key });
      expect(refused.status).toBe(503);
      expect(refused.headers.get("retry-after")).toBe("5");
      expect(await refused.json()).toMatchObject({ error: { code: "store_unavailable" } });
    }

    await redis.start();
    for (const server of [guarded, open]) await storeIs(server, "available");
    for (const server of [guarded, open])
      expect(await textOf(await post(server, "en-digits.wav", { key: stored }))).toBe(spoken);
    expect((await post(open)).status).toBe(401);
    expect((await post(guarded, "en-digits.wav", known)).status).toBe(200);
    expect(await guarded.stop()).toBe(0);
    const lines = guarded.log().filter(({ message }) => message.startsWith("Redis"));
    expect(lines.map(({ level, message }) => [level, message])).toEqual([
      ["warn", "Redis is away"],
      ["info", "Redis is back"],
    ]);
  });

  test("no request fails while it is killed, hangs and is restarted", async () => {
    await using redis = await startRedis(...unhurried);
    const key = await createKey(redis, "100000/hour");
    await using server = await startServer({
      env: { REDIS_URL: redis.url, RATE_LIMITS_AUDIO: "1000h/hour" },
    });
    await storeIs(server, "available");
    expect((await post(server, "en-digits.wav", { key })).status).toBe(200);

    const replies: [number, string | undefined][] = [];
    let isOver = false;
    const client = async () => {
      while (!isOver) {
        // one that hangs fails
        const reply = await post(server, "en-digits.wav", { key, signal: AbortSignal.timeout(30_000) });
        replies.push([reply.status, await textOf(reply)]);
      }
    };
    const clients = [client(), client(), client()];
    const served = async (count: number) => {
      const before = replies.length;
      await eventually(
        async () => replies.length,
        (length) => length >= before + count,
      );
    };
    for (const [leave, come] of [
      [redis.kill, redis.start],
      [async () => redis.pause(), async () => redis.resume()],
      [redis.kill, redis.start],
    ] as const) {
      await served(3);
      await leave();
      await storeIs(server, "unavailable");
      await served(6);
      await come();
      await storeIs(server, "available");
    }
    await served(3);
    isOver = true;
    await Promise.all(clients);
    expect(replies.filter(([status, text]) => status !== 200 || text !== spoken)).toEqual([]);
    expect(await server.stop()).toBe(0);
    const levels = server.log().map(({ level }) => level);
    expect(levels.filter((level) => level === "error" || level === "raw")).toEqual([]);
    // in turn, and at least as often as it went; on a machine that is busy it may seem away once more
    const told = server.log().flatMap(({ message }) => (message.startsWith("Redis is") ? [message] : []));
    expect(told.length).toBeGreaterThanOrEqual(6);
    expect(told).toEqual(told.map((_, index) => (index % 2 ? "Redis is back" : "Redis is away")));
  });
});
