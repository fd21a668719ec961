import { describe, expect, test } from "bun:test";
import { pauseAfter, standardRetries } from "../../../src/tasks/retries.ts";

const nowMs = Date.parse("2026-01-01T00:00:00Z");
const hourMs = 3_600_000;
const calm = { ...standardRetries, random: () => 0 };
const failed = { status: 500, retryAfter: null };
const limited = (retryAfter: string, status = 429) => ({ status, retryAfter });

test("a delivery is attempted ten times, over three days", () => {
  const pauses = Array.from({ length: 9 }, (_, count) => pauseAfter(count + 1, failed, calm, nowMs) ?? 0);
  expect(pauses.map((ms) => ms / 1000)).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
  expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBeWithin(3 * 24 * hourMs, 4 * 24 * hourMs);
  expect(pauseAfter(10, failed, calm, nowMs)).toBeNull();
});

test("pauses differ, and are never shorter than the schedule's", () => {
  const pauses = Array.from({ length: 100 }, () => pauseAfter(2, failed, standardRetries, nowMs) ?? 0);
  expect(new Set(pauses).size).toBeGreaterThan(10);
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(300_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(330_000);
});

describe("a receiver that asks for time", () => {
  test.each([
    ["in seconds", limited("3600"), hourMs],
    ["with 503", limited("3600", 503), hourMs],
    ["as a date", limited("Thu, 01 Jan 2026 02:00:00 GMT"), 2 * hourMs],
    ["that is longer than a day", limited("999999999"), 24 * hourMs],
    ["in the far future", limited("Thu, 01 Jan 2099 00:00:00 GMT"), 24 * hourMs],
  ])("%s gets it", (_, wish, expected) => {
    expect(pauseAfter(1, wish, calm, nowMs)).toBe(expected);
  });

  test.each([
    ["less than the schedule has", limited("1")],
    ["a date that has passed", limited("Thu, 01 Jan 2025 00:00:00 GMT")],
    ["something that is no time", limited("soon")],
    ["a negative time", limited("-5")],
    ["time with another status", limited("3600", 500)],
  ])("for %s waits as the schedule says", (_, wish) => {
    expect(pauseAfter(1, wish, calm, nowMs)).toBe(5000);
  });

  test("gets no attempt more than others", () => {
    expect(pauseAfter(10, limited("3600"), calm, nowMs)).toBeNull();
  });
});
