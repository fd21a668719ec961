/** What every limiter keeps to. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Bucket } from "../../src/core/limits.ts";
import type { Limiter, Taken } from "../../src/store/limiter.ts";

/** Limiters on connections of their own to the same buckets. */
export interface SharedLimiters extends AsyncDisposable {
  readonly limiters: readonly [Limiter, Limiter];
}

const bucket = (capacity: number, windowMs: number, name = `of-${windowMs}`): Bucket => ({
  name,
  capacity,
  windowMs,
});
/** Nothing comes back into it while a test runs. */
const slow = (capacity: number, name?: string) => bucket(capacity, 86_400_000, name);

const remaining = ({ buckets }: Taken) => buckets.map((state) => state.remaining);

/** Takes until it is granted, as a client that obeys does. */
async function takeWhenTold(limiter: Limiter, caller: string, buckets: readonly Bucket[], amount = 1) {
  for (let refusals = 0; ; refusals += 1) {
    const taken = await limiter.take(caller, buckets, amount);
    if (taken.granted) return refusals;
    await Bun.sleep(taken.retryAfterMs);
  }
}

/** `skipped`: why it cannot be run here. */
export function limiterContract(
  name: string,
  open: () => Promise<SharedLimiters>,
  skipped: string | null = null,
): void {
  describe.skipIf(skipped !== null)(`${name}, like every limiter,${skipped ?? ""}`, () => {
    let shared: SharedLimiters;
    let limiter: Limiter;
    let other: Limiter;
    let callers = 0;
    const newCaller = () => `addr:${++callers}`;
    beforeAll(async () => {
      shared = await open();
      [limiter, other] = shared.limiters;
    });
    afterAll(() => shared[Symbol.asyncDispose]());

    test("refuses when a bucket is empty, and says when to come back", async () => {
      const caller = newCaller();
      const buckets = [slow(2)];
      expect(await limiter.take(caller, buckets, 1)).toMatchObject({ granted: true, retryAfterMs: 0 });
      expect(await limiter.take(caller, buckets, 1)).toMatchObject({ granted: true });
      const refused = await limiter.take(caller, buckets, 1);
      expect(refused.granted).toBe(false);
      // half a day for each token, less what has passed
      expect(refused.retryAfterMs).toBeWithin(43_000_000, 43_200_001);
      expect(refused.buckets).toEqual([{ ...slow(2), remaining: 0, resetMs: expect.any(Number) }]);
      expect(refused.buckets[0]?.resetMs).toBeWithin(86_000_000, 86_400_001);
    });

    test("takes nothing from any bucket when one of them refuses", async () => {
      const caller = newCaller();
      const [small, large] = [slow(1, "small"), slow(10, "large")];
      await limiter.take(caller, [small, large], 1);
      for (let again = 0; again < 3; again += 1) {
        const refused = await limiter.take(caller, [large, small], 1);
        expect([refused.granted, remaining(refused)]).toEqual([false, [9, 0]]);
      }
      expect((await limiter.take(caller, [large], 9)).granted).toBe(true);
    });

    test("keeps callers and buckets apart", async () => {
      const [one, two] = [newCaller(), newCaller()];
      await limiter.take(one, [slow(1)], 1);
      expect((await limiter.take(two, [slow(1)], 1)).granted).toBe(true);
      expect((await limiter.take(one, [slow(1, "another")], 1)).granted).toBe(true);
      expect((await limiter.take(one, [slow(1)], 1)).granted).toBe(false);
    });

    test("only looks when nothing is to be taken", async () => {
      const caller = newCaller();
      const full = await limiter.take(caller, [slow(3)], 0);
      expect(full).toEqual({
        granted: true,
        retryAfterMs: 0,
        buckets: [{ ...slow(3), remaining: 3, resetMs: 0 }],
      });
      await limiter.take(caller, [slow(3)], 2);
      expect(remaining(await limiter.take(caller, [slow(3)], 0))).toEqual([1]);
      expect(remaining(await limiter.take(caller, [slow(3)], 0))).toEqual([1]);
    });

    test("without buckets grants everything", async () => {
      expect(await limiter.take(newCaller(), [], 5)).toEqual({ granted: true, retryAfterMs: 0, buckets: [] });
    });

    test("grants more than a capacity to a full bucket only, and empties it", async () => {
      const caller = newCaller();
      expect(remaining(await limiter.take(caller, [slow(100)], 5000))).toEqual([0]);
      expect((await limiter.take(caller, [slow(100)], 5000)).granted).toBe(false);
      await limiter.give(caller, [slow(100)], 5000);
      expect(remaining(await limiter.take(caller, [slow(100)], 1))).toEqual([99]);
      const refused = await limiter.take(caller, [slow(100)], 5000);
      expect([refused.granted, remaining(refused)]).toEqual([false, [99]]);
    });

    test("takes back what is given, up to the capacity", async () => {
      const caller = newCaller();
      await limiter.take(caller, [slow(10)], 4);
      await limiter.give(caller, [slow(10)], 3);
      expect(remaining(await limiter.take(caller, [slow(10)], 0))).toEqual([9]);
      await limiter.give(caller, [slow(10)], 1000);
      await limiter.give(caller, [slow(10)], 1000);
      expect(remaining(await limiter.take(caller, [slow(10)], 0))).toEqual([10]);
      await limiter.give(newCaller(), [slow(10)], 5);
    });

    test("takes each of many tokens exactly, down to the last", async () => {
      const caller = newCaller();
      const odd = slow(49);
      for (let left = 48; left >= 0; left -= 1) {
        expect(remaining(await limiter.take(caller, [odd], 1))).toEqual([left]);
      }
      expect((await limiter.take(caller, [odd], 1)).granted).toBe(false);
    });

    test("fills evenly: whoever waits as long as he was told is granted", async () => {
      const caller = newCaller();
      const quick = bucket(4, 80);
      const startedAt = performance.now();
      await limiter.take(caller, [quick], 4);
      for (let count = 0; count < 6; count += 1) await takeWhenTold(limiter, caller, [quick]);
      // six tokens come in no less time than that, give or take the grain of a clock
      expect(performance.now() - startedAt).toBeGreaterThan(6 * 20 - 4);
      await takeWhenTold(limiter, caller, [quick], 4);
    });

    test("never fills above the capacity", async () => {
      const caller = newCaller();
      const quick = bucket(3, 3);
      await takeWhenTold(limiter, caller, [quick], 3);
      await Bun.sleep(30);
      expect(remaining(await limiter.take(caller, [quick], 0))).toEqual([3]);
    });

    test("gives many takers on two connections no more than the capacity and what came since", async () => {
      for (const seed of [1, 2, 3]) {
        const caller = newCaller();
        const amounts = Array.from({ length: 200 }, (_, index) => 1 + ((index * 7 + seed) % 3));
        const [quick, large] = [bucket(40, 400), slow(1000)];
        const startedAt = performance.now();
        const taken = await Promise.all(
          amounts.map((amount, index) => (index % 2 ? limiter : other).take(caller, [quick, large], amount)),
        );
        const elapsedMs = performance.now() - startedAt;
        const granted = amounts.filter((_, index) => taken[index]?.granted);
        const total = granted.reduce((sum, amount) => sum + amount, 0);
        expect(total).toBeGreaterThanOrEqual(38); // three that do not fit may find two left
        expect(total).toBeLessThanOrEqual(40 + (elapsedMs + 2) / 10);
        expect(remaining(await other.take(caller, [large], 0))).toEqual([1000 - total]);
      }
    });

    test("finds a bucket whose limit has changed at most full", async () => {
      const caller = newCaller();
      await limiter.take(caller, [slow(100)], 10);
      expect(remaining(await limiter.take(caller, [slow(20)], 0))).toEqual([20]);
    });
  });
}
