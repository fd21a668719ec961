/** When a delivery that has failed is tried again. */

export interface Retries {
  /** Before each attempt, after the one before it. As many attempts as there are of them. */
  readonly pausesMs: readonly number[];
  /** For one attempt in all. */
  readonly timeoutMs: number;
  /** 0 to 1. */
  readonly random: () => number;
}

const [secondMs, minuteMs, hourMs] = [1000, 60_000, 3_600_000];

/** The schedule that Standard Webhooks proposes: ten attempts in three days. */
export const standardRetries: Retries = {
  pausesMs: [
    ...[0, 5 * secondMs, 5 * minuteMs, 30 * minuteMs],
    ...[2, 5, 10, 14, 20, 24].map((hours) => hours * hourMs),
  ],
  timeoutMs: 15 * secondMs,
  random: Math.random,
};

/** Longer ones are added to a pause at most by this part of it, so that receivers are not hit by all at once. */
const jitter = 0.1;
const longestRetryAfterMs = 24 * hourMs;

/** After this time a delivery has ended, or a receiver that asks for patience has had a day of it. */
export const longestDeliveryMs = ({ pausesMs, timeoutMs }: Retries): number =>
  pausesMs.reduce((sum, pauseMs) => sum + pauseMs * (1 + jitter) + timeoutMs, longestRetryAfterMs);

/** What the receiver wants of us. */
export interface Wish {
  readonly status: number | null;
  readonly retryAfter: string | null;
}

/**
 * The pause after so many attempts that failed; null: that was the last. A receiver that says when it can be asked again (429, 503) is
 * not asked earlier, within a day.
 */
export function pauseAfter(attempts: number, wish: Wish, retries: Retries, nowMs: number): number | null {
  const pauseMs = retries.pausesMs[attempts];
  if (pauseMs === undefined) return null;
  const jittered = pauseMs * (1 + jitter * retries.random());
  const wantedMs = wish.status === 429 || wish.status === 503 ? retryAfterMs(wish.retryAfter, nowMs) : 0;
  return Math.round(Math.max(jittered, Math.min(wantedMs, longestRetryAfterMs)));
}

/** Retry-After is in seconds or a date; 0 for what is neither. */
function retryAfterMs(text: string | null, nowMs: number): number {
  if (text === null) return 0;
  if (/^\d{1,9}$/.test(text)) return Number(text) * secondMs;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - nowMs);
}
