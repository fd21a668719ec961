/** Keys in Redis: records and revocations by digest, digests by id. */
import type { Redis } from "ioredis";
import type { Keys, StoredKey } from "../keys.ts";
import type { RedisConnection } from "./connection.ts";

type Unrevoked = Omit<StoredKey, "revokedAtMs">;

export class RedisKeys implements Keys {
  constructor(private readonly connection: RedisConnection) {}

  async create({ revokedAtMs, ...key }: StoredKey): Promise<void> {
    await this.connection.ask(async (client) => {
      const batch = client
        .multi()
        .hset("keys", key.digest, JSON.stringify(key))
        .hset("key-digests", key.id, key.digest);
      if (revokedAtMs !== null) batch.hset("key-revocations", key.digest, revokedAtMs);
      for (const [error] of (await batch.exec()) ?? []) if (error) throw error;
    });
  }

  async list(): Promise<readonly StoredKey[]> {
    const [records, revocations] = await this.connection.ask((client) =>
      Promise.all([client.hgetall("keys"), client.hgetall("key-revocations")]),
    );
    return Object.entries(records)
      .map(([digest, record]) => keyOf(record, revocations[digest]))
      .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  async revoke(id: string, atMs: number): Promise<boolean> {
    return this.connection.ask(async (client) => {
      const digest = await client.hget("key-digests", id);
      // the first time stays
      if (digest !== null) await client.hsetnx("key-revocations", digest, atMs);
      return digest !== null;
    });
  }

  async find(digest: string): Promise<StoredKey | null> {
    const look = (client: Redis) =>
      Promise.all([client.hget("keys", digest), client.hget("key-revocations", digest)]);
    const [record, revokedAt] = await this.connection.ask(look);
    return record === null ? null : keyOf(record, revokedAt);
  }

  async isEmpty(): Promise<boolean> {
    return (await this.connection.ask((client) => client.hlen("keys"))) === 0;
  }
}

const keyOf = (record: string, revokedAt: string | null | undefined): StoredKey => ({
  ...(JSON.parse(record) as Unrevoked),
  revokedAtMs: revokedAt ? Number(revokedAt) : null,
});
