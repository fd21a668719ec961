import { expect, test } from "bun:test";
import { render, streamView, type View } from "../../../src/core/formats.ts";
import type { Segment, Transcript } from "../../../src/core/transcript.ts";
import { type StreamEvent, segmentOf, transcriptOf } from "../../../src/modules/ui/page/wire.ts";

const view: View = {
  ...{ responseFormat: "verbose_json", task: "transcribe" },
  ...{ words: true, segments: true, logprobs: false, speakerNames: [] },
};

const segments: Segment[] = [" „Guten Tag“, Anna.", " Wie -> geht & steht <es>?"].map((text, id) => ({
  ...{ id, seek: 0, startMs: 1234 + 3000 * id, endMs: 3000 + 3000 * id, text, temperature: 0.2 },
  tokens: [50364, 7, 8].map((token) => ({
    ...{ id: token, bytes: new Uint8Array([97]), probability: 0.5, logprob: -0.7 },
    ...{ startMs: null, endMs: null },
  })),
  words: text
    .trim()
    .split(" ")
    .map((word, index) => ({ text: word, startMs: 1234 + 100 * index, endMs: 1300, probability: 0.25 })),
  ...{ avgLogprob: -0.3, noSpeechProb: 0.01, compressionRatio: 1.1, speakerTurn: false, channel: 0 },
}));
const said: Transcript = {
  ...{ durationMs: 7650, channels: 1, language: "de", segments },
  text: segments
    .map(({ text }) => text)
    .join("")
    .trim(),
};

/** What the page knows at the end of a stream. */
function received(): Transcript {
  const stream = streamView(view, { logprobThreshold: -1, compressionRatioThreshold: 2.4 });
  const events = [
    ...segments.flatMap((segment) => stream.event({ type: "segment", segment })),
    ...stream.done(said),
  ] as StreamEvent[];
  const found = events.flatMap((event) =>
    event.type === "transcript.text.segment" ? [segmentOf(event)] : [],
  );
  const done = events.find((event) => event.type === "transcript.text.done");
  return transcriptOf(found, Math.round((done?.duration ?? 0) * 1000), done?.language ?? "");
}

test.each(["text", "srt", "vtt", "verbose_json"] as const)(
  "%s made of a stream is what the server writes",
  (responseFormat) => {
    const wanted = { ...view, responseFormat };
    expect(render(received(), wanted)).toEqual(render(said, wanted));
  },
);

test("words keep their probabilities; without one they have their window's", () => {
  expect(received().segments[0]?.words.map(({ probability }) => probability)).toEqual([0.25, 0.25, 0.25]);
  const wire = { id: 0, seek: 0, start: 0, end: 1, text: " a", tokens: [], temperature: 0 };
  const numbers = { avg_logprob: Math.log(0.3), compression_ratio: 1, no_speech_prob: 0 };
  const segment = segmentOf({ ...wire, ...numbers, words: [{ word: "a", start: 0, end: 1 }] });
  expect(segment.words[0]?.probability).toBeCloseTo(0.3);
});
