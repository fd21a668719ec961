import { describe, expect, test } from "bun:test";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import { StoreUnavailable } from "../../src/store/store.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { available, quietOptions } from "../helpers/stores.ts";
import { webhooksContract } from "./webhooks.ts";

/** Recordings play no part here. */
const options = quietOptions();

webhooksContract("webhooks in a file", async () => {
  const folder = temporaryFolder();
  const store = openSqliteStore(folder.path, options);
  return {
    webhooks: store.webhooks,
    async [Symbol.asyncDispose]() {
      await store.close();
      folder[Symbol.dispose]();
    },
  };
});

describe.skipIf(redisServer === null)("with redis-server (not installed: skipped)", () => {
  const open = async () => {
    const redis = await startRedis();
    const store = openRedisStore({ url: redis.url, prefix: "test", ...options });
    await available(store);
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
  const folder = temporaryFolder();
  const webhook = {
    ...{ id: "wh_1", caller: "c", task: "t", url: "https://a.example", secret: "s" },
    ...{ includeResult: false, createdAtMs: 1, disabledAtMs: null },
  };
  const first = openSqliteStore(folder.path, options);
  await first.webhooks.create(webhook);
  await first.close();
  const second = openSqliteStore(folder.path, options);
  expect(await second.webhooks.find("wh_1")).toEqual(webhook);
  await second.close();
  await expect(second.webhooks.find("wh_1")).rejects.toBeInstanceOf(StoreUnavailable);
  folder[Symbol.dispose]();
});
