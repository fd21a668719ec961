/** Time, as something that tests can hold. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Calls `act` after a time, unless what it returns is called before. */
  after(ms: number, act: () => void): () => void;
}

/** setTimeout's limit: a longer delay fires at once. */
export const longestDelayMs = 2 ** 31 - 1;

/** The machine's. What waits for it does not keep the process from ending. */
export const systemClock: Clock = {
  now: Date.now,
  after(ms, act) {
    const timer = setTimeout(act, ms).unref();
    return () => clearTimeout(timer);
  },
};
