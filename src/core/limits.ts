/** How limits are written: `10/minute,50/hour` for requests, `60m/hour` for audio. A limit is a token bucket. */
import { type Notation, parseTime } from "./notation.ts";

/** Fills evenly and holds at most its capacity. */
export interface Bucket {
  /** Unique among the buckets of a caller, and part of the stored key: `minute`, `audio-hour`. */
  readonly name: string;
  /** Tokens that it holds, at the beginning too. A token is a request, or a millisecond of audio. */
  readonly capacity: number;
  /** Time in which an empty bucket fills. */
  readonly windowMs: number;
}

/** Somebody's budget of audio. */
export interface AudioAllowance {
  /** Takes so much from it; throws rate_limit_exceeded when there is less. More than the whole budget needs all of it. */
  admit(durationMs: number): Promise<void>;
  /** Gives it back: nothing has come of it. */
  refund(durationMs: number): void;
}

/** His who uses the program himself. */
export const unlimitedAudio: AudioAllowance = { async admit() {}, refund() {} };

const windowsMs = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Of one bucket: it keeps sums exact in a double, and is as good as no limit. */
const maxRequests = 1_000_000;
const maxAudioMs = 10_000 * 3_600_000;

/** `off` is no bucket at all. Two limits of the same window are a mistake. */
const notation = (
  expected: string,
  prefix: string,
  max: number,
  parseAmount: (text: string) => number | undefined,
): Notation<readonly Bucket[]> => ({
  expected,
  parse(text) {
    if (text.toLowerCase() === "off") return [];
    const buckets = text.split(",").map((item): Bucket | undefined => {
      const [, amount = "", unit] = /^(.+?) ?\/ ?(second|minute|hour|day)$/i.exec(item.trim()) ?? [];
      const window = unit?.toLowerCase() as keyof typeof windowsMs | undefined;
      const capacity = parseAmount(amount);
      if (!window || capacity === undefined || capacity < 1 || capacity > max) return undefined;
      return { name: prefix + window, capacity, windowMs: windowsMs[window] };
    });
    const found = buckets.filter((bucket) => bucket !== undefined);
    const windows = new Set(found.map(({ name }) => name));
    return windows.size === buckets.length ? found : undefined;
  },
});

/** Of requests: a token is one. */
export const requestLimits = notation(
  "off or limits for different windows (second, minute, hour, day), each of 1 to 1000000 requests: 10/minute,50/hour",
  "",
  maxRequests,
  (text) => (/^\d+$/.test(text) ? Number(text) : undefined),
);

/** Of audio: a token is a millisecond. */
export const audioLimits = notation(
  "off or limits for different windows (second, minute, hour, day), each of 1ms to 10000h of audio: 60m/hour,5h/day",
  "audio-",
  maxAudioMs,
  parseTime,
);
