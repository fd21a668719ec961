/** Results by the digest of all that makes them. What is stored is opaque here. */

export interface Cache {
  /** null: never stored, expired or evicted. Finding it makes it the last to be evicted. */
  get(key: string): Promise<Uint8Array | null>;
  /**
   * Stores `value` for the time to live that the cache was opened with, then evicts the least recently used until all fit into
   * its size. A value larger than that is not stored.
   */
  put(key: string, value: Uint8Array): Promise<void>;
  /** What is stored, expired values that have not been removed yet among it. */
  size(): Promise<{ readonly entries: number; readonly bytes: number }>;
}

export interface CacheLimits {
  readonly ttlMs: number;
  /** Sum of the values; 0: nothing is stored, nothing found. */
  readonly maxBytes: number;
}
