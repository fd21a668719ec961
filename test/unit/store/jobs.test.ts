import { expect, test } from "bun:test";
import { retryPauseMs } from "../../../src/store/jobs.ts";

test("pauses after failures double from a second, end at a minute, and differ", () => {
  const pauses = (attempt: number) => Array.from({ length: 200 }, () => retryPauseMs(attempt));
  for (const [attempt, mostMs] of [
    [1, 1000],
    [2, 2000],
    [6, 32_000],
    [7, 60_000],
    [1_000_000, 60_000],
  ] as const) {
    expect(Math.min(...pauses(attempt))).toBeGreaterThanOrEqual(mostMs / 2);
    expect(Math.max(...pauses(attempt))).toBeLessThanOrEqual(mostMs);
    expect(new Set(pauses(attempt)).size).toBeGreaterThan(100);
  }
});
