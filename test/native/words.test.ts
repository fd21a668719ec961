/** Words are what people would call words, with times that can be trusted to be in order. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Word } from "../../src/core/transcript.ts";
import { type Model, native } from "../../src/native.ts";
import {
  moreRecordings,
  needsMoreRecordings,
  type Recording,
  recording,
  recordings,
} from "../fixtures/index.ts";
import { decode, openModel, segmentsOf, transcribe } from "./harness.ts";

setDefaultTimeout(60_000);

let model: Model;
beforeAll(async () => {
  native.setSlots(1);
  model = await openModel();
});
afterAll(() => model.close());

/** Chinese is written without spaces: there the parts must join to the text, and be as many as the words that were spoken. */
function expectedWords({ language, model_output, segments }: Recording, words: readonly Word[]): void {
  const texts = words.map(({ text }) => text);
  const spokenWords = segments.flatMap((segment) => segment.words ?? []);
  if (spokenWords.length > 0) expect(texts).toHaveLength(spokenWords.length);
  if (language === "zh") expect(texts.join("")).toBe(model_output.transcribe.replaceAll(" ", ""));
  else expect(texts).toEqual(model_output.transcribe.split(" ").filter((word) => word));
}

const known = new Map<string, ReturnType<typeof segmentsOf>>();

async function wordsOf(found: Recording) {
  const before = known.get(found.path);
  if (before) return before;
  const pcm = await decode(found.path);
  const segments = segmentsOf(
    await transcribe(model, pcm, { wordTimes: true, language: found.language ?? "auto" }),
  );
  known.set(found.path, segments);
  return segments;
}

/** Fails unless the words lie inside their segment, one after the other. */
function expectInOrder(words: readonly Word[], segment: { startMs: number; endMs: number }): void {
  let behind = segment.startMs;
  for (const word of words) {
    expect(word.startMs).toBeGreaterThanOrEqual(behind);
    expect(word.endMs).toBeGreaterThanOrEqual(word.startMs);
    expect(word.endMs).toBeLessThanOrEqual(segment.endMs);
    behind = word.startMs;
  }
}

const spoken = recordings.filter(({ language, channels }) => language !== null && channels === 1);

test.each(spoken.map(({ name }) => name))("%s has the words that were spoken, in order", async (name) => {
  const found = recording(name);
  const segments = await wordsOf(found);
  expectedWords(
    found,
    segments.flatMap(({ words }) => words),
  );
  for (const segment of segments) expectInOrder(segment.words, segment);
});

test.skipIf(moreRecordings === null)(`and so has the whole set (${needsMoreRecordings})`, async () => {
  for (const found of moreRecordings ?? []) {
    if (found.duration > 60) continue;
    const segments = await wordsOf(found);
    expectedWords(
      found,
      segments.flatMap(({ words }) => words),
    );
    for (const segment of segments) expectInOrder(segment.words, segment);
  }
});

describe("characters of several bytes", () => {
  test.each(["zh-segments.wav", "ru-digits.wav"])(
    "of %s are never parted, though tokens part them",
    async (name) => {
      const segments = await wordsOf(recording(name));
      const words = segments.flatMap((segment) => segment.words);
      expect(words.length).toBeGreaterThan(3);
      for (const { text } of words) {
        expect(text).not.toContain("\uFFFD");
        expect(text).toMatch(/^[\p{Script=Han}\p{Script=Cyrillic}]+\p{P}*$/u);
      }
      for (const { text, words: inside } of segments) {
        expect(inside.map((word) => word.text).join(name.startsWith("zh") ? "" : " ")).toBe(text.trim());
      }
    },
  );

  test("of zh-segments.wav are more tokens than characters", async () => {
    const [, middle] = await wordsOf(recording("zh-segments.wav"));
    const texts = middle?.tokens.filter(({ bytes }) => bytes.length > 0) ?? [];
    expect(texts.length).toBeGreaterThan([...(middle?.text ?? "")].length);
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const broken = texts.filter(({ bytes }) => {
      try {
        decoder.decode(bytes);
        return false;
      } catch {
        return true;
      }
    });
    expect(broken.length).toBeGreaterThan(0);
  });
});

test("times of words are near those that were spoken", async () => {
  const errors: number[] = [];
  for (const found of spoken.filter(({ duration }) => duration < 60)) {
    const segments = await wordsOf(found);
    for (const [index, segment] of segments.entries()) {
      const truth = found.segments[index]?.words ?? [];
      if (truth.length !== segment.words.length) continue;
      for (const [position, word] of segment.words.entries()) {
        const { start = 0, end = 0 } = truth[position] ?? {};
        errors.push(Math.abs(word.startMs - start * 1000), Math.abs(word.endMs - end * 1000));
      }
    }
  }
  errors.sort((a, b) => a - b);
  const at = (part: number) => errors[Math.floor((errors.length - 1) * part)] ?? Infinity;
  expect(errors.length).toBeGreaterThan(50);
  // measured: 64 and 213 ms; they are made from the segment's sound and lengths of text
  expect(at(0.5)).toBeLessThan(100);
  expect(at(0.9)).toBeLessThan(300);
});
