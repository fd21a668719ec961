/** How much a client may send at once and in time: a bucket of tokens that fills again. */
export class TokenBucket {
  private tokens: number;
  private filledMs: number;

  constructor(
    private readonly capacity: number,
    private readonly perSecond: number,
    private readonly now: () => number,
  ) {
    this.tokens = capacity;
    this.filledMs = now();
  }

  /** false: there is not so much left. */
  take(count: number): boolean {
    const nowMs = this.now();
    const filled = this.tokens + ((nowMs - this.filledMs) / 1000) * this.perSecond;
    this.tokens = Math.min(this.capacity, filled);
    this.filledMs = nowMs;
    if (count > this.tokens) return false;
    this.tokens -= count;
    return true;
  }
}
