/** What a request's Cache-Control header says about results that others have asked for. */
import type { CachePolicy } from "../transcribe.ts";

/** Directives that are unknown, or whose value makes no sense, are read over. `no-store` outranks all others. */
export function readCacheControl(header: string | null): CachePolicy {
  const directives = (header ?? "")
    .toLowerCase()
    .split(",")
    .map((text) => text.trim());
  if (directives.includes("no-store")) return "no-store";
  const ages = directives.map((text) => {
    if (text === "no-cache") return 0;
    const [, seconds] = /^max-age="?(\d+)"?$/.exec(text) ?? [];
    return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 1000;
  });
  return { maxAgeMs: Math.min(...ages) };
}
