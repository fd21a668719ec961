/** Misuse of run(): every option missing, of a wrong type, out of its range. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { largestSeed } from "../../src/core/options.ts";
import type { Model, Pcm } from "../../src/native.ts";
import { decodeFixture, openModel, runOptions } from "./harness.ts";
import { loose, received, throws } from "./misuse.ts";

let model: Model;
let pcm: Pcm;

beforeAll(async () => {
  model = await openModel();
  pcm = await decodeFixture("en-digits.wav");
});
afterAll(() => model.close());

const longestMs = 7 * 24 * 3_600_000;
const range = (low: number, high: number) => `a number from ${low} to ${high}`;

/** For each option: what it takes, something of a wrong type, and where it has a range something outside. */
const optionCases: readonly [
  key: keyof typeof runOptions,
  expected: string,
  wrong: unknown,
  outside?: number,
][] = [
  ["task", 'one of "transcribe", "translate"', "write"],
  ["language", "a string", 1],
  ["prompt", "a string", null],
  ["carryPrompt", "a boolean", 1],
  ["conditionOnPreviousText", "a boolean", "true"],
  ["temperature", range(0, 1), "0", 1.5],
  ["temperatureIncrement", range(0, 1), null, -0.1],
  ["seed", range(0, largestSeed), "0", -1],
  ["compressionRatioThreshold", range(-1000, 1000), null, Number.NaN],
  ["logprobThreshold", range(-1000, 1000), {}, 1001],
  ["noSpeechThreshold", range(0, 1), [], 2],
  ["bestOf", range(1, 8), "5", 9],
  ["beamSize", range(1, 8), 5n, 0],
  ["patience", range(0.1, 10), "1", 0],
  ["lengthPenalty", range(-1, 10), true, -2],
  ["suppressBlank", "a boolean", 0],
  ["suppressNonSpeech", "a boolean", null],
  ["timestamps", "a boolean", {}],
  ["wordTimes", "a boolean", "word"],
  ["maxInitialTimestampMs", range(0, 30_000), "1000", 30_001],
  ["speakerTurns", "a boolean", 1],
  ["offsetMs", range(0, longestMs), null, -1],
  ["durationMs", range(0, longestMs), "1", Number.POSITIVE_INFINITY],
  ["tokenEvents", "a boolean", 1],
  ["vad", "a boolean", "auto"],
  ["vadThreshold", range(0, 1), "0.5", 1.01],
  ["vadMinSpeechMs", range(0, longestMs), null, -1],
  ["vadMinSilenceMs", range(0, longestMs), null, -1],
  ["vadMaxSpeechMs", range(0, longestMs), null, -1],
  ["vadPadMs", range(0, longestMs), null, -1],
  ["vadModel", "a string", null],
  ["priority", 'one of "live", "request", "batch"', "urgent"],
];

describe("run()", () => {
  test("has a case below for every option", () => {
    const withCase = optionCases.map(([key]) => key);
    expect(withCase.toSorted()).toEqual(Object.keys(runOptions).toSorted() as typeof withCase);
  });

  test.each(optionCases)("refuses to go without %s", (key, expected) => {
    const { [key]: _, ...options } = runOptions;
    throws(
      () => loose(model.run)(pcm, options, () => {}),
      TypeError,
      `Expected ${expected} for ${key} but received undefined of type undefined`,
    );
  });

  test.each(optionCases)("refuses %s that is not %s", (key, expected, wrong) => {
    throws(
      () => loose(model.run)(pcm, { ...runOptions, [key]: wrong }, () => {}),
      TypeError,
      `Expected ${expected} for ${key} but received ${received(wrong)}`,
    );
  });

  test.each(optionCases.filter(([, , , outside]) => outside !== undefined))(
    "refuses %s outside of %s",
    (key, expected, _, outside) => {
      throws(
        () => loose(model.run)(pcm, { ...runOptions, [key]: outside }, () => {}),
        RangeError,
        `Expected ${expected} for ${key} but received ${received(outside)}`,
      );
    },
  );

  test.each(["xx", "", "EN", "english"])("refuses %p as a language", (language) => {
    throws(
      () => model.run(pcm, { ...runOptions, language }, () => {}),
      TypeError,
      `Expected "auto" or a language of the model for language but received "${language}" of type string`,
    );
  });

  test.each([
    [undefined],
    [null],
    [{}],
    [{ channels: 1, samples: 16_000, durationMs: 1000, format: "", channel: () => {}, close: () => {} }],
    [new Float32Array(16_000)],
  ])("refuses %p as a Pcm", (value) => {
    throws(
      () => loose(model.run)(value, runOptions, () => {}),
      TypeError,
      `Expected a Pcm for pcm but received ${received(value)}`,
    );
  });

  test("refuses a Pcm of two channels", async () => {
    const stereo = await decodeFixture("en-two-speakers.wav", { splitChannels: true });
    throws(
      () => model.run(stereo, runOptions, () => {}),
      TypeError,
      "Expected a Pcm of one channel for pcm but received one of type object",
    );
  });

  test.each([[undefined], [null], [{}]])("refuses %p as a listener", (value) => {
    throws(
      () => loose(model.run)(pcm, runOptions, value),
      TypeError,
      `Expected a function for onEvent but received ${received(value)}`,
    );
  });

  test("refuses to go without any argument", () => {
    throws(
      () => loose(model.run)(),
      TypeError,
      "Expected a Pcm for pcm but received undefined of type undefined",
    );
  });
});
