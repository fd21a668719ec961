/** The cache in a hash and its indexes. Each call is one script: processes on one Redis share it, by Redis's clock. */
import type { Result } from "ioredis";
import type { Cache, CacheLimits } from "../cache.ts";
import type { RedisConnection } from "./connection.ts";
import getScript from "./lua/cacheGet-4.lua" with { type: "text" };
import putScript from "./lua/cachePut-5.lua" with { type: "text" };

// One slot of a cluster: a script may only touch keys that lie together.
const keys = ["values", "expiry", "uses", "count", "bytes"].map((name) => `{cache}:${name}`);
const keysOfGet = keys.slice(0, 4);
const [valuesKey = "", , , , bytesKey = ""] = keys;

declare module "ioredis" {
  interface RedisCommander<Context> {
    cacheGetBuffer(...keysAndId: string[]): Result<Buffer | null, Context>;
    cachePut(...keysAndValues: (string | number | Buffer)[]): Result<null, Context>;
  }
}

export class RedisCache implements Cache {
  constructor(
    private readonly connection: RedisConnection,
    private readonly limits: CacheLimits,
  ) {
    connection.client.defineCommand("cacheGet", { numberOfKeys: keysOfGet.length, lua: getScript });
    connection.client.defineCommand("cachePut", { numberOfKeys: keys.length, lua: putScript });
  }

  async get(key: string): Promise<Uint8Array | null> {
    if (this.limits.maxBytes === 0) return null;
    return this.connection.ask((client) => client.cacheGetBuffer(...keysOfGet, key));
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    const { ttlMs, maxBytes } = this.limits;
    if (value.length > maxBytes) return;
    await this.connection.ask((client) => client.cachePut(...keys, key, Buffer.from(value), ttlMs, maxBytes));
  }

  async size(): Promise<{ entries: number; bytes: number }> {
    return this.connection.ask(async (client) => {
      const [entries, bytes] = await Promise.all([client.hlen(valuesKey), client.get(bytesKey)]);
      return { entries, bytes: Number(bytes) };
    });
  }
}
