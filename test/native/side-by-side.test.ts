/** Without text that is carried on, the pieces of a long recording are transcribed side by side. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Model, native, type Pcm, type RunEvent } from "../../src/native.ts";
import {
  moreRecordings,
  needsMoreRecordings,
  needsVadModel,
  recording,
  vadModel,
} from "../fixtures/index.ts";
import {
  decode,
  decodeFixture,
  isTerminal,
  openModel,
  segmentsOf,
  start,
  textOf,
  transcribe,
} from "./harness.ts";

setDefaultTimeout(60_000);

const options = { conditionOnPreviousText: false };
let one: Model;
let many: Model;
let long: Pcm;

beforeAll(async () => {
  one = await openModel({ slots: 1 });
  many = await openModel({ slots: 8 });
  long = await decodeFixture("en-long-95s.mp3");
});
afterAll(async () => {
  await one.close();
  await many.close();
});

test("the text is what is spoken, and the segments come in order", async () => {
  const events = await transcribe(many, long, options);
  expect(textOf(events)).toBe(recording("en-long-95s.mp3").text);
  const segments = segmentsOf(events);
  expect(segments.map(({ id }) => id)).toEqual(segments.map((_, index) => index));
  for (const [index, segment] of segments.entries()) {
    expect(segment.startMs).toBeGreaterThanOrEqual(segments[index - 1]?.endMs ?? 0);
    expect(segment.endMs).toBeGreaterThan(segment.startMs);
  }
  const progress = events.flatMap((event) => (event.type === "progress" ? [event.doneMs] : []));
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  expect(progress.at(-1)).toBe(long.durationMs);
});

test("it is the same with one slot, where the pieces take turns", async () => {
  // but for the last digits of probabilities: sums are made in another order
  const said = (events: readonly RunEvent[]) =>
    segmentsOf(events).map(({ text, startMs, endMs, tokens }) => [
      text,
      startMs,
      endMs,
      tokens.map(({ id }) => id),
    ]);
  expect(said(await transcribe(one, long, options))).toEqual(said(await transcribe(many, long, options)));
});

test("the language of the first piece is that of all", async () => {
  const events = await transcribe(many, long, { ...options, language: "auto" });
  expect(events.at(-1)).toMatchObject({ type: "done", language: "en" });
  expect(textOf(events)).toBe(recording("en-long-95s.mp3").text);
});

test("a run that is cancelled stops all its pieces and gives back their slots", async () => {
  const { run, ended } = start(many, long, options, (event) => {
    if (event.type === "segment") run.cancel();
  });
  const events = await ended;
  expect(events.at(-1)).toMatchObject({ type: "error", code: "cancelled" });
  // all slots at once
  const after = await Promise.all(Array.from({ length: 8 }, () => transcribe(many, long, options)));
  for (const each of after) expect(textOf(each)).toBe(recording("en-long-95s.mp3").text);
});

const longest = moreRecordings?.find(({ name }) => name === "en-long-600s.mp3");

test.skipIf(!longest)(
  `a clip does not wait for all the pieces of a long recording (${needsMoreRecordings})`,
  async () => {
    const order: string[] = [];
    const begun = Promise.withResolvers<void>();
    const enter = (name: string, pcm: Pcm) =>
      start(many, pcm, options, (event) => {
        if (event.type === "segment") begun.resolve();
        if (isTerminal(event)) order.push(name);
      });
    const longRun = enter("long", await decode(longest?.path ?? ""));
    await begun.promise;
    await enter("clip", await decodeFixture("en-digits.wav")).ended;
    longRun.run.cancel();
    await longRun.ended;
    expect(order).toEqual(["clip", "long"]);
  },
);

test.skipIf(vadModel === null)(
  `speech that VAD has found is transcribed side by side as well (${needsVadModel})`,
  async () => {
    const events = await transcribe(many, long, { ...options, vad: true, vadModel: vadModel ?? "" });
    expect(textOf(events)).toBe(recording("en-long-95s.mp3").text);
  },
);

test("a recording is cut where it is silent", async () => {
  const samples = new Float32Array(40 * 16_000);
  let seed = 1;
  for (let i = 0; i < samples.length; i++) {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    const seconds = i / 16_000;
    samples[i] = seconds > 24 && seconds < 25 ? 0 : (seed / 2 ** 30 - 1) * 0.001;
  }
  const pcm = native.pcm(samples);
  const events = await transcribe(many, pcm, options);
  const done = events.flatMap((event) => (event.type === "progress" ? [event.doneMs] : []));
  expect(done.length).toBeGreaterThanOrEqual(2);
  expect(done[0]).toBeGreaterThan(24_000);
  expect(done[0]).toBeLessThan(25_000);
});
