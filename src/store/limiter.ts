/** Token buckets of callers. */
import type { Bucket } from "../core/limits.ts";
import { StoreUnavailable } from "./store.ts";

export interface BucketState extends Bucket {
  /** Whole tokens in it now. */
  readonly remaining: number;
  /** Until it is full. */
  readonly resetMs: number;
}

export interface Taken {
  /** false: nothing was taken from any of them. */
  readonly granted: boolean;
  /** Until all buckets hold enough; 0 when granted. */
  readonly retryAfterMs: number;
  /** In the order of the request. */
  readonly buckets: readonly BucketState[];
}

export interface Limiter {
  /**
   * Takes `amount` tokens from each bucket of `caller`, or none from any: one atomic step, by the store's own clock, so that
   * processes that share it share the buckets. More than a capacity takes all of that bucket: it must be full. 0 only looks.
   */
  take(caller: string, buckets: readonly Bucket[], amount: number): Promise<Taken>;
  /** Gives tokens back (a run failed); never above the capacity. */
  give(caller: string, buckets: readonly Bucket[], amount: number): Promise<void>;
}

/** Asks `shared`, and `own` while that is unavailable: it never rejects with StoreUnavailable as long as `own` does not. */
export function withFallback(shared: Limiter, own: Limiter): Limiter {
  const either = async <T>(ask: (limiter: Limiter) => Promise<T>): Promise<T> => {
    try {
      return await ask(shared);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return ask(own);
    }
  };
  return {
    take: (...what) => either((limiter) => limiter.take(...what)),
    give: (...what) => either((limiter) => limiter.give(...what)),
  };
}
