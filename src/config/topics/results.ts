/** What was transcribed before. */
import { byteSize, duration, setting } from "../notations.ts";

export const results = {
  cacheTtlMs: setting("CACHE_TTL", duration(1000), "24h", "How long a result is kept for the same request."),
  cacheMaxBytes: setting(
    "CACHE_MAX_BYTES",
    byteSize(0),
    "256MiB",
    "Size of all kept results, the least recently used go first; 0 = none.",
  ),
};
