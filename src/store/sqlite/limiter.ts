/** Buckets in a SQLite file: shared by the processes of one machine, by its clock. */
import { Database } from "bun:sqlite";
import type { Bucket } from "../../core/limits.ts";
import type { BucketState, Limiter, Taken } from "../limiter.ts";
import { ask } from "./ask.ts";

/** Full buckets that are forgotten with each call: more than a call can add. */
const sweptAtOnce = 50;

export class SqliteLimiter implements Limiter {
  private readonly run: (caller: string, buckets: readonly Bucket[], amount: number) => Taken;

  constructor(database: Database) {
    database.run(
      `create table if not exists buckets (
        caller text not null, name text not null, tokens real not null, at_ms real not null, full_at_ms real not null,
        unique (caller, name))`,
    );
    database.run("create index if not exists buckets_by_full on buckets (full_at_ms)");
    const find = database.query<{ tokens: number; atMs: number }, [string, string]>(
      "select tokens, at_ms as atMs from buckets where caller = ? and name = ?",
    );
    const store = database.query<null, [string, string, number, number, number]>(
      "insert or replace into buckets (caller, name, tokens, at_ms, full_at_ms) values (?, ?, ?, ?, ?)",
    );
    const sweep = database.query<null, [number, number]>(
      "delete from buckets where rowid in (select rowid from buckets where full_at_ms <= ? limit ?)",
    );

    this.run = database.transaction((caller: string, buckets: readonly Bucket[], amount: number): Taken => {
      const nowMs = Date.now(); // after the lock was got: in order among all processes
      let retryAfterMs = 0;
      const counted = buckets.map((bucket) => {
        const { name, capacity, windowMs } = bucket;
        const stored = find.get(caller, name);
        const filled = stored ? (Math.max(0, nowMs - stored.atMs) * capacity) / windowMs : 0;
        const tokens = stored ? Math.min(capacity, stored.tokens + filled) : capacity;
        const wanted = Math.min(amount, capacity);
        retryAfterMs = Math.max(retryAfterMs, Math.ceil(((wanted - tokens) * windowMs) / capacity));
        return { bucket, tokens, wanted };
      });
      const granted = retryAfterMs === 0;
      const states = counted.map(({ bucket, tokens, wanted }) => {
        const left = granted ? Math.min(bucket.capacity, tokens - wanted) : tokens;
        const state = stateOf(bucket, left);
        if (granted && amount !== 0) store.run(caller, bucket.name, left, nowMs, nowMs + state.resetMs);
        return state;
      });
      sweep.run(nowMs, sweptAtOnce);
      return { granted, retryAfterMs, buckets: states };
    }).immediate;
  }

  take(caller: string, buckets: readonly Bucket[], amount: number): Promise<Taken> {
    return ask(() => this.run(caller, buckets, amount));
  }

  async give(caller: string, buckets: readonly Bucket[], amount: number): Promise<void> {
    await this.take(caller, buckets, -amount);
  }
}

const stateOf = (bucket: Bucket, tokens: number): BucketState => ({
  ...bucket,
  remaining: Math.floor(tokens),
  resetMs: Math.ceil(((bucket.capacity - tokens) * bucket.windowMs) / bucket.capacity),
});

/** Of this process alone, and gone with it. */
export const memoryLimiter = (): Limiter => new SqliteLimiter(new Database(":memory:", { strict: true }));
