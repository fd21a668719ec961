import { describe, expect, test } from "bun:test";
import { type SubtitleFormat, subtitleWriter } from "../../../src/core/subtitles.ts";
import type { Segment } from "../../../src/core/transcript.ts";

type Cue = readonly [text: string, startMs: number, endMs: number, channel?: number];

function write(format: SubtitleFormat, ...cues: Cue[]): string {
  const writer = subtitleWriter(format, null);
  const segments = cues.map(
    ([text, startMs, endMs, channel = 0], id): Segment => ({
      id,
      seek: 0,
      startMs,
      endMs,
      text,
      tokens: [],
      words: [],
      avgLogprob: 0,
      noSpeechProb: 0,
      compressionRatio: 1,
      temperature: 0,
      speakerTurn: false,
      channel,
    }),
  );
  return segments.map((segment) => writer.write(segment)).join("") + writer.end();
}

describe("srt", () => {
  test("has OpenAI's bytes: ids from 1, a decimal comma, two empty lines at the end", () => {
    expect(write("srt", [" Hello, world!", 0, 2000], [" Bye.", 2000, 3661_042])).toBe(
      "1\n00:00:00,000 --> 00:00:02,000\nHello, world!\n\n2\n00:00:02,000 --> 01:01:01,042\nBye.\n\n\n",
    );
  });

  test("leaves out cues without text, and their ids", () => {
    expect(write("srt", [" ", 0, 1], [" a", 1, 2])).toStartWith("1\n00:00:00,001");
  });

  test("leaves markup as it is", () => {
    expect(write("srt", [" a < b & c", 0, 1])).toContain("\na < b & c\n");
  });
});

describe("vtt", () => {
  test("has OpenAI's bytes: a header, no ids, a decimal point, always hours", () => {
    expect(write("vtt", [" Hello, world!", 0, 2000], [" Bye.", 2000, 2500])).toBe(
      "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nHello, world!\n\n00:00:02.000 --> 00:00:02.500\nBye.\n\n",
    );
  });

  test("of silence is the header", () => {
    expect(write("vtt")).toBe("WEBVTT\n\n");
  });

  test("writes signs that start markup as references", () => {
    expect(write("vtt", [" a < b & c", 0, 1])).toContain("\na &lt; b &amp; c\n");
  });
});

describe.each(["srt", "vtt"] as const)("a cue of %s", (format) => {
  test.each([
    ["a --> b", "a -> b"],
    ["a ----> b", "a -> b"],
    ["one\n\ntwo", "one two"],
    ["one \r\n two", "one two"],
    ["\n\n1\n", "1"],
  ])("cannot be broken by %p", (text, written) => {
    const lines = write(format, [text, 0, 1]).split("\n");
    expect(lines.filter((line) => line.includes("-->"))).toEqual([
      expect.stringMatching(/^00:00:00[.,]000 --> 00:00:00[.,]001$/),
    ]);
    expect(lines).toContain(written);
  });

  test("never starts before the one before it, nor ends before it starts", () => {
    const times = write(format, ["a", 2000, 3000], ["b", 1000, 1500], ["c", 4000, 3500]).replaceAll(",", ".");
    expect(times).toContain("00:00:02.000 --> 00:00:03.000\na");
    expect(times).toContain("00:00:02.000 --> 00:00:02.000\nb");
    expect(times).toContain("00:00:04.000 --> 00:00:04.000\nc");
  });

  test("keeps its time when another channel is further", () => {
    expect(write(format, ["a", 9000, 9500, 0], ["b", 1000, 1500, 1])).toContain("00:00:01");
  });

  test("has hours of more than two digits after four days", () => {
    expect(write(format, ["a", 360_000_000, 360_000_001])).toContain("100:00:00");
  });

  test("carries milliseconds over", () => {
    expect(write(format, ["a", 59_999.6, 60_000])).toContain("00:01:00");
  });
});
