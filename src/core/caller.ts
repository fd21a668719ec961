/** Who calls: the holder of a key, or without keys an address. What is counted, limited and owned is his. */
import type { Bucket } from "./limits.ts";

export const scopes = ["transcribe", "admin"] as const;
export type Scope = (typeof scopes)[number];

export interface Caller {
  /** Stable and no secret: `key:<start of its digest>` or `addr:<address>`. */
  readonly id: string;
  /** admin includes transcribe. */
  readonly scopes: readonly Scope[];
  /** His own, or else the server's. */
  readonly limits: CallerLimits;
}

/** Budgets in requests and in milliseconds of audio. No bucket: no limit. */
export interface CallerLimits {
  readonly requests: readonly Bucket[];
  readonly audio: readonly Bucket[];
}
