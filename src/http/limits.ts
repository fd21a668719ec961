/** What a caller may ask for: requests, and time of audio. Every reply to a request that was counted says how much is left. */
import type { Caller, CallerLimits } from "../core/caller.ts";
import { AppError } from "../core/errors.ts";
import type { AudioAllowance, Bucket } from "../core/limits.ts";
import type { Metrics } from "../metrics.ts";
import type { BucketState, Limiter, Taken } from "../store/limiter.ts";

export interface Limits {
  /** Counts a request: before its body is read. Throws rate_limit_exceeded. */
  admit(request: Request, caller: Caller): Promise<void>;
  /** The caller's budget of audio, for a request or a session of his. */
  audio(caller: Caller, request?: Request): AudioAllowance;
}

/** The buckets of a request, as they were last seen. */
interface Seen {
  readonly requests: readonly BucketState[];
  readonly audio: readonly BucketState[];
}

const seen = new WeakMap<Request, Seen>();

export function createLimits(limiter: Limiter, metrics: Metrics): Limits {
  const refused = (budget: "requests" | "audio", limits: readonly string[], taken: Taken): AppError => {
    metrics.refusals.inc({ budget });
    return exceeded(budget, limits, taken);
  };
  const take = async (caller: Caller, buckets: readonly Bucket[], amount: number): Promise<Taken> =>
    buckets.length === 0 ? nothing : limiter.take(caller.id, buckets, amount);

  return {
    async admit(request, caller) {
      const { requests, audio } = caller.limits;
      const [taken, left] = await Promise.all([take(caller, requests, 1), take(caller, audio, 0)]);
      seen.set(request, { requests: taken.buckets, audio: left.buckets });
      if (!taken.granted) throw refused("requests", requests.map(inWords.requests), taken);
    },
    audio: (caller, request) => ({
      async admit(durationMs) {
        const { audio } = caller.limits;
        const taken = await take(caller, audio, durationMs);
        if (request) seen.set(request, { requests: [], ...seen.get(request), audio: taken.buckets });
        if (!taken.granted) throw refused("audio", audio.map(inWords.audio), taken);
      },
      refund(durationMs) {
        const { audio } = caller.limits;
        // a refund that is lost is no reason to fail: the bucket fills by itself
        if (audio.length > 0) limiter.give(caller.id, audio, durationMs).catch(() => {});
      },
    }),
  };
}

/** The same budget for what is done later, by whichever process: of a caller who is known by name. */
export const audioOf = (limiter: Limiter, metrics: Metrics) => {
  const limits = createLimits(limiter, metrics);
  return (id: string, own: CallerLimits): AudioAllowance => limits.audio({ id, scopes: [], limits: own });
};

const nothing: Taken = { granted: true, retryAfterMs: 0, buckets: [] };

const windowOf = ({ name }: Bucket) => name.replace("audio-", "");
const inWords = {
  requests: (bucket: Bucket) => `${bucket.capacity} per ${windowOf(bucket)}`,
  audio: (bucket: Bucket) => `${duration(bucket.capacity)} per ${windowOf(bucket)}`,
};

function exceeded(what: string, limits: readonly string[], { retryAfterMs }: Taken): AppError {
  return new AppError(
    "rate_limit_exceeded",
    `Rate limit reached for ${what}: ${limits.join(", ")}. Please try again in ${duration(retryAfterMs)}.`,
    { retryAfterSeconds: retryAfterMs / 1000 },
  );
}

/** As OpenAI writes it, which is as Go does: `20ms`, `1.5s`, `6m0s`, `1h0m0s`. */
export function duration(ms: number): string {
  const whole = Math.ceil(ms);
  if (whole > 0 && whole < 1000) return `${whole}ms`;
  if (whole < 60_000) return `${whole / 1000}s`;
  const seconds = Math.ceil(whole / 1000);
  const minutes = `${Math.floor(seconds / 60) % 60}m${seconds % 60}s`;
  return seconds < 3600 ? minutes : `${Math.floor(seconds / 3600)}h${minutes}`;
}

/** What is counted, as the headers name it. */
const kinds = [
  { of: "requests", unit: "requests", perUnit: 1, parameter: "" },
  { of: "audio", unit: "audio-seconds", perUnit: 1000, parameter: ';qu="audio-seconds"' },
] as const;

/** Names of all that limitHeaders gives. */
export const limitHeaderNames: readonly string[] = [
  ...kinds.flatMap(({ unit }) =>
    ["limit", "remaining", "reset"].map((what) => `x-ratelimit-${what}-${unit}`),
  ),
  "ratelimit-policy",
  "ratelimit",
];

/**
 * OpenAI's headers for the bucket of each kind that holds least, and the fields of draft-ietf-httpapi-ratelimit-headers-10 for all
 * of them. None for a request that was not counted.
 */
export function limitHeaders(request: Request): readonly (readonly [name: string, value: string])[] {
  const left = seen.get(request) ?? { requests: [], audio: [] };
  const headers: [string, string][] = [];
  const policies: string[] = [];
  const states: string[] = [];
  for (const { of, unit, perUnit, parameter } of kinds) {
    const buckets = left[of];
    const [tightest] = buckets.toSorted((a, b) => a.remaining - b.remaining || b.resetMs - a.resetMs);
    if (!tightest) continue;
    const amount = (tokens: number) => String(Math.floor(tokens / perUnit));
    headers.push(
      [`x-ratelimit-limit-${unit}`, amount(tightest.capacity)],
      [`x-ratelimit-remaining-${unit}`, amount(tightest.remaining)],
      [`x-ratelimit-reset-${unit}`, duration(tightest.resetMs)],
    );
    for (const { name, capacity, windowMs, remaining, resetMs } of buckets) {
      policies.push(`"${name}";q=${amount(capacity)};w=${windowMs / 1000}${parameter}`);
      states.push(`"${name}";r=${amount(remaining)};t=${Math.ceil(resetMs / 1000)}`);
    }
  }
  if (policies.length > 0) {
    headers.push(["ratelimit-policy", policies.join(", ")], ["ratelimit", states.join(", ")]);
  }
  return headers;
}
