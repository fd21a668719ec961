/** What bounds a live session. */

export interface Limits {
  /** After it the session is closed. */
  readonly lifetimeMs: number;
  /** Audio that is kept because it is not yet transcribed. */
  readonly maxBufferedMs: number;
  /** Turns that wait for their transcript: a client that sends more is not read until there are fewer. */
  readonly maxWaiting: number;
  /** Client events: at once, and in each second. A large one counts as several. */
  readonly maxEvents: number;
  readonly eventsPerSecond: number;
}

export const defaultLimits: Omit<Limits, "lifetimeMs"> = {
  maxBufferedMs: 600_000,
  maxWaiting: 16,
  maxEvents: 20_000,
  eventsPerSecond: 1000,
};

/** Close codes of WebSocket that a session ends with. */
export const closeCodes = {
  expired: 1001,
  policy: 1008,
  failure: 1011,
  restart: 1012,
  overload: 1013,
} as const;
