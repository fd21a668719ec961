/** Our kernels and ggml's, which compute on a GPU, say the same. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Model, RunEvent } from "../../src/native.ts";
import { decodeFixture, openModel, segmentsOf, textOf, transcribe } from "./harness.ts";

setDefaultTimeout(60_000);

let ours: Model;
let theirs: Model;

beforeAll(async () => {
  ours = await openModel();
  theirs = await openModel({ kernels: false });
});
afterAll(async () => {
  await ours.close();
  await theirs.close();
});

const said = (events: readonly RunEvent[]) =>
  segmentsOf(events).map(({ text, startMs, endMs, tokens }) => ({
    text,
    startMs,
    endMs,
    ids: tokens.map(({ id }) => id),
  }));

test.each([
  ["en-segments.wav", { beamSize: 5 }],
  ["zh-segments.wav", { beamSize: 1, language: "zh" }],
  ["en-segments.wav", { beamSize: 1, prompt: "Good morning Anna. ".repeat(30) }],
])("%s with %p", async (name, options) => {
  const pcm = await decodeFixture(name);
  const wanted = { ...options, wordTimes: true };
  const [a, b] = [await transcribe(ours, pcm, wanted), await transcribe(theirs, pcm, wanted)];
  expect(said(a)).toEqual(said(b));
  const differences: number[] = [];
  for (const [i, segment] of segmentsOf(a).entries()) {
    const other = segmentsOf(b)[i];
    // ggml rounds what it multiplies with quantised weights to 8 bits
    expect(Math.abs(segment.avgLogprob - (other?.avgLogprob ?? 0))).toBeLessThan(0.02);
    expect(segment.words.map(({ text }) => text)).toEqual(other?.words.map(({ text }) => text) ?? []);
    for (const [j, word] of segment.words.entries()) {
      differences.push(Math.abs(word.startMs - (other?.words[j]?.startMs ?? -1000)));
    }
  }
  // where two paths through the attention are nearly as good, rounding decides
  expect(differences.toSorted((x, y) => x - y)[Math.floor(differences.length / 2)]).toBeLessThanOrEqual(20);
});

test("several runs in one step of ggml's", async () => {
  const names = ["en-digits.wav", "en-segments.wav", "zh-segments.wav", "de-digits.wav"];
  const alone = [];
  for (const name of names)
    alone.push(await transcribe(theirs, await decodeFixture(name), { language: "auto" }));
  const together = await Promise.all(
    names.map(async (name) => transcribe(theirs, await decodeFixture(name), { language: "auto" })),
  );
  expect(together.map(textOf)).toEqual(alone.map(textOf));
});
