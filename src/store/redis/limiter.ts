/** Buckets in Redis: shared by all processes on it, by its clock. */
import type { Result } from "ioredis";
import type { Bucket } from "../../core/limits.ts";
import type { Limiter, Taken } from "../limiter.ts";
import type { RedisConnection } from "./connection.ts";
import takeScript from "./lua/takeTokens-1.lua" with { type: "text" };

declare module "ioredis" {
  interface RedisCommander<Context> {
    takeTokens(key: string, amount: number, ...buckets: (string | number)[]): Result<number[], Context>;
  }
}

export class RedisLimiter implements Limiter {
  constructor(private readonly connection: RedisConnection) {
    connection.client.defineCommand("takeTokens", { numberOfKeys: 1, lua: takeScript });
  }

  async take(caller: string, buckets: readonly Bucket[], amount: number): Promise<Taken> {
    const described = buckets.flatMap(({ name, capacity, windowMs }) => [name, capacity, windowMs]);
    const [granted = 0, retryAfterMs = 0, ...states] = await this.connection.ask((client) =>
      client.takeTokens(`limits:${caller}`, amount, ...described),
    );
    return {
      granted: granted === 1,
      retryAfterMs,
      buckets: buckets.map((bucket, index) => ({
        ...bucket,
        remaining: states[2 * index] ?? 0,
        resetMs: states[2 * index + 1] ?? 0,
      })),
    };
  }

  async give(caller: string, buckets: readonly Bucket[], amount: number): Promise<void> {
    await this.take(caller, buckets, -amount);
  }
}
