/** Tokens as they are accepted, and the attempts that they belong to. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Model, Pcm, RunEvent, RunOptions } from "../../src/native.ts";
import { decodeFixture, openModel, runOptions, transcribe } from "./harness.ts";

let model: Model;
let pcm: Pcm;

beforeAll(async () => {
  model = await openModel();
  pcm = await decodeFixture("en-segments.wav");
});
afterAll(() => model.close());

/** For each attempt its number and its tokens; the segments after it. */
function attemptsOf(events: readonly RunEvent[]) {
  const attempts: { number: number; temperature: number; tokens: number[]; segments: number[] }[] = [];
  for (const event of events) {
    if (event.type === "attempt") attempts.push({ ...event, tokens: [], segments: [] });
    if (event.type === "token") attempts.at(-1)?.tokens.push(event.token.id);
    if (event.type === "segment") {
      attempts.at(-1)?.segments.push(...event.segment.tokens.map((token) => token.id));
    }
  }
  return attempts;
}

const isText = (id: number) => id < 50_257;

const searches: readonly (readonly [string, Partial<RunOptions>])[] = [
  ["greedy", { beamSize: 1 }],
  ["of five beams", { beamSize: 5 }],
  ["of two candidates", { temperature: 0.3, temperatureIncrement: 0, bestOf: 2 }],
];

describe.each(searches)("tokens, %s,", (_, options) => {
  test("come before the segments that they make up, all of them and in order", async () => {
    const attempts = attemptsOf(await transcribe(model, pcm, { ...options, tokenEvents: true }));
    expect(attempts.length).toBeGreaterThan(0);
    for (const { number, tokens, segments } of attempts) {
      expect(number).toBe(0);
      expect(segments.length).toBeGreaterThan(0);
      // what follows the last pair of timestamps is heard again in the next window
      if (options.beamSize === 1) expect(tokens.slice(0, segments.length)).toEqual(segments);
      const text = segments.filter(isText);
      expect(tokens.filter(isText).slice(0, text.length)).toEqual(text);
    }
  });

  test("are the same text as without the events, which come only when they are wanted", async () => {
    const told = await transcribe(model, pcm, { ...options, tokenEvents: true });
    const untold = await transcribe(model, pcm, options);
    const others = (events: readonly RunEvent[]) =>
      events.filter(({ type }) => type === "segment" || type === "progress");
    expect(others(told)).toEqual(others(untold));
    expect(untold.map(({ type }) => type)).not.toContain("token");
    expect(untold.map(({ type }) => type)).not.toContain("attempt");
  });
});

test("tokens come while the run goes on: one that is cancelled at its first token does not reach its end", async () => {
  const long = await decodeFixture("en-long-95s.mp3");
  const ended = Promise.withResolvers<string>();
  const run = model.run(long, { ...runOptions, tokenEvents: true }, (event) => {
    if (event.type === "token") run.cancel();
    if (event.type === "done") ended.resolve("done");
    if (event.type === "error") ended.resolve(event.code);
  });
  expect(await ended.promise).toBe("cancelled");
});

test("a failed attempt is followed by another at the next temperature, whose tokens count", async () => {
  const events = await transcribe(model, pcm, {
    logprobThreshold: 1000,
    noSpeechThreshold: 1,
    tokenEvents: true,
  });
  const attempts = attemptsOf(events).slice(0, 6);
  expect(attempts.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(attempts.map(({ temperature }) => Math.round(temperature * 10))).toEqual([0, 2, 4, 6, 8, 10]);
  expect(attempts.slice(0, 5).flatMap(({ segments }) => segments)).toEqual([]);
  for (const { tokens } of attempts) expect(tokens.length).toBeGreaterThan(0);
  const last = attempts.at(-1);
  expect(last?.tokens.filter(isText).slice(0, 5)).toEqual(last?.segments.filter(isText).slice(0, 5) ?? []);
});

test("more patience ends beam search later, and less earlier, never without a result", async () => {
  for (const patience of [0.1, 0.5, 2, 10]) {
    const events = await transcribe(model, pcm, { beamSize: 3, patience });
    expect(events.filter(({ type }) => type === "segment").length).toBeGreaterThan(0);
    expect(events.at(-1)?.type).toBe("done");
  }
});
