import { expect, test } from "bun:test";
import { audioLimits, requestLimits } from "../../../src/core/limits.ts";

const minute = { name: "minute", capacity: 10, windowMs: 60_000 };
const hour = { name: "hour", capacity: 50, windowMs: 3_600_000 };

test.each([
  ["10/minute", [minute]],
  ["10/minute,50/hour", [minute, hour]],
  [" 50 / Hour , 10/MINUTE ", [hour, minute]],
  ["1/second", [{ name: "second", capacity: 1, windowMs: 1000 }]],
  ["1000000/day", [{ name: "day", capacity: 1_000_000, windowMs: 86_400_000 }]],
  ["off", []],
  ["OFF", []],
])("limits of requests are read from %p", (text, buckets) => {
  expect(requestLimits.parse(text)).toEqual(buckets);
});

test.each([
  "",
  ",",
  "10",
  "10/",
  "/minute",
  "10/minutes",
  "10/fortnight",
  "10/minute,",
  "10/minute,off",
  "10/minute,20/minute",
  "0/minute",
  "-1/minute",
  "1.5/minute",
  "1e3/minute",
  "0x10/minute",
  "1000001/minute",
  "99999999999999999999/minute",
  "10 per minute",
  "10/60s",
  "10/minute/hour",
  "10m/hour",
])("limits of requests are not read from %p", (text) => {
  expect(requestLimits.parse(text)).toBeUndefined();
});

test.each([
  ["60m/hour", 3_600_000, 3_600_000],
  ["90s/minute", 90_000, 60_000],
  ["90/minute", 90_000, 60_000],
  ["1.5h/day", 5_400_000, 86_400_000],
  ["250ms/second", 250, 1000],
  ["10000h/day", 36_000_000_000, 86_400_000],
])("limits of audio are read from %p", (text, capacity, windowMs) => {
  expect(audioLimits.parse(text)).toEqual([
    { name: expect.stringMatching(/^audio-[a-z]+$/), capacity, windowMs },
  ]);
});

test.each([
  "",
  "60m",
  "60m/",
  "60 minutes/hour",
  "1d/day",
  "0s/hour",
  "0.1ms/hour",
  "10001h/day",
  "1m/hour,2m/hour",
])("limits of audio are not read from %p", (text) => {
  expect(audioLimits.parse(text)).toBeUndefined();
});

test("buckets for requests and for audio never have the same name", () => {
  const names = ["second", "minute", "hour", "day"].flatMap((window) =>
    [requestLimits, audioLimits].flatMap(({ parse }) => (parse(`1/${window}`) ?? []).map(({ name }) => name)),
  );
  expect(new Set(names).size).toBe(8);
});
