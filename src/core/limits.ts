/** How limits are written: `10/minute,50/hour` for requests, `60m/hour` for audio. A limit is a token bucket. */

/** Fills evenly and holds at most its capacity. */
export interface Bucket {
  /** Unique among the buckets of a caller, and part of the stored key: `minute`, `audio-hour`. */
  readonly name: string;
  /** Tokens that it holds, at the beginning too. A token is a request, or a millisecond of audio. */
  readonly capacity: number;
  /** Time in which an empty bucket fills. */
  readonly windowMs: number;
}
