/** Token buckets of callers. */
import type { Bucket } from "../core/limits.ts";

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
   * processes that share it share the buckets. More than a capacity takes all of that bucket: it must be full.
   */
  take(caller: string, buckets: readonly Bucket[], amount: number): Promise<Taken>;
  /** Gives tokens back (a run failed, an answer was in the cache); never above the capacity. */
  give(caller: string, buckets: readonly Bucket[], amount: number): Promise<void>;
}
