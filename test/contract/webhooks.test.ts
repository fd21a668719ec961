import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import { StoreUnavailable } from "../../src/store/store.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { quietOptions } from "../helpers/stores.ts";
import { webhooksContract } from "./webhooks.ts";

/** Recordings play no part here. */
const options = quietOptions();

webhooksContract("webhooks in a file", async () => {
  const directory = await mkdtemp(join(tmpdir(), "webhooks-"));
  const store = openSqliteStore(directory, options);
  return {
    webhooks: store.webhooks,
    async [Symbol.asyncDispose]() {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
});

describe.skipIf(redisServer === null)("with redis-server (not installed: skipped)", () => {
  const open = async () => {
    const redis = await startRedis();
    const store = openRedisStore({ url: redis.url, prefix: "test", ...options });
    while (!store.isAvailable) await Bun.sleep(5);
    return {
      redis,
      webhooks: store.webhooks,
      async [Symbol.asyncDispose]() {
        await store.close();
        await redis[Symbol.asyncDispose]();
      },
    };
  };

  webhooksContract("webhooks on Redis", open);

  test("webhooks reject with StoreUnavailable while Redis is away", async () => {
    await using opened = await open();
    await opened.redis.kill();
    await expect(opened.webhooks.find("wh_1")).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(opened.webhooks.untold(1)).rejects.toBeInstanceOf(StoreUnavailable);
  });
});

test("webhooks in a file are there when it is opened again", async () => {
  const directory = await mkdtemp(join(tmpdir(), "webhooks-"));
  const webhook = {
    ...{ id: "wh_1", caller: "c", task: "t", url: "https://a.example", secret: "s" },
    ...{ includeResult: false, createdAtMs: 1, disabledAtMs: null },
  };
  const first = openSqliteStore(directory, options);
  await first.webhooks.create(webhook);
  await first.close();
  const second = openSqliteStore(directory, options);
  expect(await second.webhooks.find("wh_1")).toEqual(webhook);
  await second.close();
  await expect(second.webhooks.find("wh_1")).rejects.toBeInstanceOf(StoreUnavailable);
  await rm(directory, { recursive: true });
});
