/** The cache in a hash and its indexes. Each call is one script: processes on one Redis share it, by Redis's clock. */
import type { Cache, CacheLimits } from "../cache.ts";
import type { RedisConnection } from "./connection.ts";
import getSource from "./lua/cache-get.lua" with { type: "text" };
import putSource from "./lua/cache-put.lua" with { type: "text" };
import { Script } from "./script.ts";

const scripts = {
  get: new Script<Buffer | null>(getSource, "bytes"),
  put: new Script<null>(putSource),
};

// One slot of a cluster: a script may only touch keys that lie together.
const keys = ["values", "expiry", "uses", "count", "bytes"].map((name) => `{cache}:${name}`);
const keysOfGet = keys.slice(0, 4);
const [valuesKey = "", , , , bytesKey = ""] = keys;

export class RedisCache implements Cache {
  constructor(
    private readonly connection: RedisConnection,
    private readonly limits: CacheLimits,
  ) {}

  async get(key: string): Promise<Uint8Array | null> {
    if (this.limits.maxBytes === 0) return null;
    return scripts.get.run(this.connection, keysOfGet, [key]);
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    const { ttlMs, maxBytes } = this.limits;
    if (value.length > maxBytes) return;
    await scripts.put.run(this.connection, keys, [key, Buffer.from(value), ttlMs, maxBytes]);
  }

  async size(): Promise<{ entries: number; bytes: number }> {
    return this.connection.ask(async (client) => {
      const [entries, bytes] = await Promise.all([client.hlen(valuesKey), client.get(bytesKey)]);
      return { entries, bytes: Number(bytes) };
    });
  }
}
