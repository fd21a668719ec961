import { describe, expect, test } from "bun:test";
import { type Cue, type CueShape, CueSplitter, defaultCueShape } from "../../../src/core/cues.ts";
import { type SubtitleFormat, subtitleWriter } from "../../../src/core/subtitles.ts";
import type { Segment, Word } from "../../../src/core/transcript.ts";
import { testSegment } from "../../helpers/engine.ts";

type Timed = readonly [text: string, startMs: number, endMs: number];

/** A segment of these words, with a space before each. */
function spoken(words: readonly Timed[], more: Partial<Segment> = {}): Segment {
  return testSegment(0, words.map(([text]) => ` ${text}`).join(""), {
    startMs: words[0]?.[1] ?? 0,
    endMs: words.at(-1)?.[2] ?? 0,
    words: words.map(([text, startMs, endMs]) => ({ text, startMs, endMs, probability: 1 })),
    ...more,
  });
}

/** Words of so many milliseconds, one after the other. */
const evenly = (text: string, perWordMs = 300, fromMs = 0): Timed[] =>
  text.split(" ").map((word, index) => [word, fromMs + index * perWordMs, fromMs + (index + 1) * perWordMs]);

function cut(shape: Partial<CueShape>, ...segments: Segment[]): Cue[] {
  const splitter = new CueSplitter({ ...defaultCueShape, ...shape });
  return [...segments.flatMap((segment) => splitter.push(segment)), ...splitter.end()];
}

const textOf = ({ words }: Cue) => words.map(({ text }) => text).join("");
const texts = (shape: Partial<CueShape>, ...segments: Segment[]) => cut(shape, ...segments).map(textOf);

function file(format: SubtitleFormat, shape: Partial<CueShape>, ...segments: Segment[]): string {
  const writer = subtitleWriter(format, { ...defaultCueShape, ...shape });
  return segments.map((segment) => writer.write(segment)).join("") + writer.end();
}

describe("a line", () => {
  const sentence = spoken(evenly("the quick brown fox jumps over the lazy dog", 200));

  test("is no wider than it may be", () => {
    expect(texts({ maxLineWidth: 15 }, sentence)).toEqual(["the quick brown\nfox jumps over\nthe lazy dog"]);
  });

  test("has a word alone that is wider", () => {
    expect(texts({ maxLineWidth: 4 }, spoken(evenly("an extraordinary day")))).toEqual([
      "an\nextraordinary\nday",
    ]);
  });

  test("has no more words than it may have", () => {
    expect(texts({ maxWordsPerLine: 2, maxLineCount: 2, minCueDurationMs: 0 }, sentence)).toEqual([
      "the quick\nbrown fox",
      "jumps over\nthe lazy",
      "dog",
    ]);
  });

  test("is a cue where only its words are counted", () => {
    expect(texts({ maxWordsPerLine: 4 }, sentence)).toEqual([
      "the quick brown fox",
      "jumps over the lazy",
      "dog",
    ]);
  });

  test("counts wide characters twice, and breaks between them without a space", () => {
    const words: Timed[] = [..."今天天气很好"].map((text, index) => [text, index * 200, index * 200 + 200]);
    expect(texts({ maxLineWidth: 8 }, { ...spoken(words), text: "今天天气很好" })).toEqual([
      "今天天气\n很好",
    ]);
  });

  test("breaks between words where a segment has no word times, by their length", () => {
    const bare = testSegment(0, " 今天天气很好。 Very nice, is it not?", { endMs: 4000 });
    expect(texts({ maxLineWidth: 12, maxCueDurationMs: 0, minCueDurationMs: 9000 }, bare)).toEqual([
      "今天天气\n很好。 Very\nnice, is it\nnot?",
    ]);
  });
});

describe("a cue ends", () => {
  const shape = { maxLineWidth: 42, maxLineCount: 2 };

  test("with a sentence, when it has lasted long enough", () => {
    expect(texts(shape, spoken(evenly("Yes. We went to the market. It was nice.")))).toEqual([
      "Yes. We went to the market.",
      "It was nice.",
    ]);
  });

  test("not with an abbreviation, nor where a small letter follows", () => {
    expect(texts(shape, spoken(evenly("Then old Mr. Miller said Yahoo! is a company")))).toEqual([
      "Then old Mr. Miller said Yahoo! is a\ncompany",
    ]);
  });

  test("at a pause of a second", () => {
    const words = [...evenly("one two"), ...evenly("three four", 300, 1600)];
    expect(cut(shape, spoken(words))).toMatchObject([
      { startMs: 0, endMs: 1000 },
      { startMs: 1600, endMs: 2600 },
    ]);
  });

  test("with its segment, unless width and count of its lines are limited", () => {
    const halves = [spoken(evenly("and so my")), spoken(evenly("fellow Americans", 300, 900))];
    expect(texts({ maxLineWidth: 42 }, ...halves)).toEqual(["and so my", "fellow Americans"]);
    expect(texts({ maxLineCount: 2 }, ...halves)).toEqual(["and so my", "fellow Americans"]);
    expect(texts(shape, ...halves)).toEqual(["and so my fellow Americans"]);
  });

  test("where the speaker changes", () => {
    const first = spoken(evenly("how are you"), { speakerTurn: true });
    expect(texts(shape, first, spoken(evenly("fine", 300, 900)))).toEqual(["how are you", "fine"]);
  });

  test("at a clause in its second half when it gets too long", () => {
    const words = spoken(evenly("if it rains on that day, we shall not go out at all"));
    expect(texts({ maxLineWidth: 32, maxLineCount: 1 }, words)).toEqual([
      "if it rains on that day,",
      "we shall not go out at all",
    ]);
  });

  test("rather at a sentence, though it is shorter than it should be", () => {
    const words = spoken(evenly("we came late to the show. Then, it began to rain", 100));
    expect(texts({ maxLineWidth: 32, maxLineCount: 1, minCueDurationMs: 5000 }, words)).toEqual([
      "we came late to the show.",
      "Then, it began to rain",
    ]);
  });

  test("after the longest duration", () => {
    const cues = cut({ maxCueDurationMs: 2000 }, spoken(evenly("a b c d e f g h i j k l", 500)));
    expect(cues.map(({ startMs, endMs }) => endMs - startMs)).toEqual([2000, 2000, 2000]);
  });
});

test("a short cue stays for the shortest duration, or until the next one begins", () => {
  const one = spoken([["Go!", 0, 200]]);
  expect(cut({ maxLineWidth: 42 }, one)).toMatchObject([{ startMs: 0, endMs: 1000 }]);
  expect(cut({ maxLineWidth: 42 }, one, spoken([["Stop!", 600, 2000]]))).toMatchObject([
    { startMs: 0, endMs: 600 },
    { startMs: 600, endMs: 2000 },
  ]);
});

describe("highlighted words", () => {
  const words = spoken([
    ["R&D", 0, 500],
    ["now", 700, 1000],
  ]);

  test("are underlined while they are spoken, in a cue each", () => {
    expect(file("vtt", { highlightWords: true }, words)).toBe(
      "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\n<u>R&amp;D</u> now\n\n" +
        "00:00:00.500 --> 00:00:00.700\nR&amp;D now\n\n00:00:00.700 --> 00:00:01.000\nR&amp;D <u>now</u>\n\n",
    );
    expect(file("srt", { highlightWords: true, maxLineWidth: 4 }, words)).toContain(
      "3\n00:00:00,700 --> 00:00:01,000\nR&D\n<u>now</u>\n\n",
    );
  });

  test("are shown though they have no duration", () => {
    const shape = { highlightWords: true, minCueDurationMs: 0 };
    expect(file("vtt", shape, spoken([["Oh", 500, 500]]))).toContain("00:00:00.500 --> 00:00:00.500\nOh\n");
  });
});

describe("hostile text", () => {
  test.each(["a --> b", "a --\n> b", "00:01 --> 00:02\n\nx", "<b>&amp;\r\n\r\nNOTE"])(
    "%j breaks no file",
    (text) => {
      for (const format of ["srt", "vtt"] as const) {
        for (const highlightWords of [false, true]) {
          const segments = [testSegment(0, text), testSegment(1, "> end")];
          const shape = { highlightWords, maxLineWidth: 500, maxLineCount: 2, minCueDurationMs: 5000 };
          for (const cue of file(format, shape, ...segments)
            .replace(/^WEBVTT\n\n/, "")
            .trim()
            .split("\n\n")) {
            const lines = format === "srt" ? cue.split("\n").slice(1) : cue.split("\n");
            expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d[.,]\d{3} --> \d\d:\d\d:\d\d[.,]\d{3}$/);
            expect(lines.slice(1).join("")).not.toMatch(/-->|^$/);
          }
        }
      }
    },
  );
});

describe("of any transcript", () => {
  /** Numbers that look like chance and are the same each time. */
  function chance(seed: number) {
    let state = seed;
    return (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  const vocabulary = [
    "a",
    "it's",
    "Mr.",
    "over.",
    "well,",
    "naïve",
    "漢字",
    "。",
    "🙂",
    "--",
    ">x",
    "<b>",
    "end?!",
    "U.S.",
  ];

  function randomSegments(next: (below: number) => number): Segment[] {
    let ms = 0;
    return Array.from({ length: 1 + next(6) }, (_, id) => {
      const words: Word[] = [];
      let text = "";
      const isGlued = next(4) === 0;
      for (let count = next(25); count > 0; count -= 1) {
        const word = vocabulary[next(vocabulary.length)] ?? "";
        // times run backwards now and then, and words may last for nothing, or long
        ms = Math.max(0, ms + next(400) - 40 + (next(12) === 0 ? next(3000) : 0));
        const endMs = ms + (next(15) === 0 ? next(9000) : next(500));
        words.push({ text: next(20) === 0 ? "elsewhere" : word, startMs: ms, endMs, probability: 1 });
        text += `${isGlued && next(3) > 0 ? "" : " "}${word}`;
        ms = endMs;
      }
      const startMs = words[0]?.startMs ?? ms;
      return testSegment(id, text, {
        ...{ startMs, endMs: ms, words: next(6) === 0 ? [] : words },
        speakerTurn: next(5) === 0,
      });
    });
  }

  const sample = Array.from({ length: 400 }, (_, index) => {
    const next = chance(index + 1);
    const segments = randomSegments(next);
    const shape: CueShape = {
      maxLineWidth: [0, 12, 42][next(3)] ?? 0,
      maxLineCount: [0, 1, 2][next(3)] ?? 0,
      maxWordsPerLine: [0, 1, 5][next(3)] ?? 0,
      minCueDurationMs: [0, 833, 2000][next(3)] ?? 0,
      maxCueDurationMs: [0, 2000, 7000][next(3)] ?? 0,
      highlightWords: next(2) === 0,
    };
    return { segments, shape, cues: cut(shape, ...segments) };
  });
  const bare = (text: string) => text.replace(/\s+/g, "");

  test("all text is kept, in order", () => {
    for (const { segments, cues } of sample)
      expect(bare(cues.map(textOf).join(""))).toBe(bare(segments.map(({ text }) => text).join("")));
  });

  test("words are apart where they were apart", () => {
    const said = ({ segments }: (typeof sample)[number]) =>
      segments
        .map(({ text }) => text)
        .join("")
        .replace(/\s+/g, " ")
        .trim();
    for (const one of sample) {
      let rest = said(one);
      for (const cue of one.cues) {
        const text = textOf(cue).replaceAll("\n", " ");
        // a line may break where nothing separates
        for (const part of text.split(/ /)) {
          rest = rest.trimStart();
          expect(rest).toStartWith(part);
          rest = rest.slice(part.length);
        }
      }
      expect(rest.trim()).toBe("");
    }
  });

  test("cues do not overlap and last no longer than they may", () => {
    for (const { shape, cues } of sample) {
      let doneMs = 0;
      for (const { startMs, endMs } of cues) {
        expect(startMs).toBeGreaterThanOrEqual(doneMs);
        expect(endMs).toBeGreaterThanOrEqual(startMs);
        if (shape.maxCueDurationMs) expect(endMs - startMs).toBeLessThanOrEqual(shape.maxCueDurationMs);
        doneMs = endMs;
      }
    }
  });

  test("a cue is shorter than it should be only where another follows at once", () => {
    for (const { shape, cues } of sample) {
      for (const [index, { startMs, endMs }] of cues.entries()) {
        if (endMs - startMs >= Math.min(shape.minCueDurationMs, shape.maxCueDurationMs || Infinity)) continue;
        expect(cues[index + 1]?.startMs).toBe(endMs);
      }
    }
  });

  test("lines keep to their limits, but for single words", () => {
    for (const { shape, cues } of sample) {
      for (const cue of cues) {
        const lines: (typeof cue.words)[number][][] = [];
        for (const word of cue.words)
          if (lines.length === 0 || word.text.startsWith("\n")) lines.push([word]);
          else lines.at(-1)?.push(word);
        const wide = (line: readonly { text: string }[]) =>
          Bun.stringWidth(
            line
              .map(({ text }) => text)
              .join("")
              .trim(),
          );
        if (shape.maxLineCount) expect(lines.length).toBeLessThanOrEqual(shape.maxLineCount);
        for (const line of lines.filter(({ length }) => length > 1)) {
          if (shape.maxLineWidth) expect(wide(line)).toBeLessThanOrEqual(shape.maxLineWidth);
          if (shape.maxWordsPerLine) expect(line.length).toBeLessThanOrEqual(shape.maxWordsPerLine);
        }
      }
    }
  });

  test("the pieces of a file are told as soon as the next cue has begun", () => {
    const writer = subtitleWriter("srt", { ...defaultCueShape, maxLineWidth: 42 });
    expect(writer.write(spoken([["One.", 0, 1000]]))).toBe("");
    expect(writer.write(spoken([["Two.", 1000, 2000]]))).toBe("1\n00:00:00,000 --> 00:00:01,000\nOne.\n\n");
    expect(writer.end()).toBe("2\n00:00:01,000 --> 00:00:02,000\nTwo.\n\n\n");
  });
});
