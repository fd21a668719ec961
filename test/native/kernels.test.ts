/**
 * Our kernels say what ggml's nodes do, which compute on a GPU. They are compared on the CPU, and on every GPU that the build
 * finds: after a build with --vulkan, GGML_VK_VISIBLE_DEVICES=0 makes one of Mesa's llvmpipe where there is none.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Model, native, type RunEvent } from "../../src/native.ts";
import { decodeFixture, openModel, segmentsOf, textOf, transcribe } from "./harness.ts";

const gpus = native.info().devices.filter(({ type }) => type === "gpu");
// the first use of a GPU compiles its programs, and llvmpipe computes on the CPU
setDefaultTimeout(gpus.length > 0 ? 600_000 : 60_000);

let ours: Model;

beforeAll(async () => {
  ours = await openModel();
});
afterAll(() => ours.close());

const said = (events: readonly RunEvent[]) =>
  segmentsOf(events).map(({ text, startMs, endMs, tokens }) => ({
    text,
    startMs,
    endMs,
    ids: tokens.map(({ id }) => id),
  }));

describe.each([
  ["ggml's nodes on the CPU", { kernels: false }],
  ...gpus.map(({ description }, gpu) => [`ggml's nodes on GPU ${gpu}, ${description}`, { gpu }] as const),
])("%s", (_, device) => {
  let theirs: Model;

  beforeAll(async () => {
    theirs = await openModel(device);
  });
  afterAll(() => theirs.close());

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
});
