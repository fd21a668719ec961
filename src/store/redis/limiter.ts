/** Buckets in Redis: shared by all processes on it, by its clock. */
import type { Bucket } from "../../core/limits.ts";
import type { Limiter, Taken } from "../limiter.ts";
import type { RedisConnection } from "./connection.ts";
import takeSource from "./lua/tokens-take.lua" with { type: "text" };
import { Script } from "./script.ts";

const takeTokens = new Script<number[]>(takeSource);

export class RedisLimiter implements Limiter {
  constructor(private readonly connection: RedisConnection) {}

  async take(caller: string, buckets: readonly Bucket[], amount: number): Promise<Taken> {
    const described = buckets.flatMap(({ name, capacity, windowMs }) => [name, capacity, windowMs]);
    const [granted = 0, retryAfterMs = 0, ...states] = await takeTokens.run(
      this.connection,
      [`limits:${caller}`],
      [amount, ...described],
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
