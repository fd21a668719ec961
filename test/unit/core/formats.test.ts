import { describe, expect, test } from "bun:test";
import {
  type ResponseFormat,
  render,
  responseFormats,
  streamView,
  type View,
} from "../../../src/core/formats.ts";
import type { Segment, Token, Transcript } from "../../../src/core/transcript.ts";

const token = (id: number, text: string, logprob = -0.25): Token => ({
  id,
  bytes: new TextEncoder().encode(text),
  probability: Math.exp(logprob),
  logprob,
  startMs: null,
  endMs: null,
});

const segment = (text: string, startMs: number, endMs: number, more: Partial<Segment> = {}): Segment => ({
  id: 0,
  seek: 0,
  startMs,
  endMs,
  text,
  tokens: [token(50364, ""), token(1, text), token(50464, "")],
  words: text
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => ({ text: word, startMs, endMs, probability: 0.9 })),
  avgLogprob: -0.25,
  noSpeechProb: 0.01,
  compressionRatio: 1.1,
  temperature: 0,
  speakerTurn: false,
  channel: 0,
  ...more,
});

const transcript = (segments: Segment[], more: Partial<Transcript> = {}): Transcript => ({
  durationMs: 4700,
  channels: 1,
  language: "de",
  segments,
  text: segments
    .map(({ text }) => text)
    .join("")
    .trim(),
  ...more,
});

const view = (responseFormat: ResponseFormat, more: Partial<View> = {}): View => ({
  responseFormat,
  task: "transcribe",
  words: false,
  segments: true,
  logprobs: false,
  speakerNames: [],
  ...more,
});

const greeting = transcript([
  segment(" Guten Tag.", 360, 1380),
  segment(" Wie geht's, Welt?", 1380, 4700, { id: 1, seek: 30 }),
]);

const bodyOf = (said: Transcript, seen: View) => render(said, seen).body;
const jsonOf = (said: Transcript, seen: View) => JSON.parse(bodyOf(said, seen));

interface Event {
  readonly type: string;
  readonly delta?: string;
  readonly text?: string;
  readonly [key: string]: unknown;
}

/** As a client sees it: through JSON. */
function streamOf(said: Transcript, seen: View): Event[] {
  const stream = streamView(seen, { logprobThreshold: -1, compressionRatioThreshold: 2.4 });
  const events = [
    ...said.segments.flatMap((part) => stream.event({ type: "segment", segment: part })),
    ...stream.done(said),
  ];
  return JSON.parse(JSON.stringify(events));
}

const typesOf = (events: Event[]) => events.map(({ type }) => type.replace("transcript.text.", ""));
const deltasOf = (events: Event[]) => events.map(({ delta = "" }) => delta).join("");

describe("json", () => {
  test("has the trimmed text and whole seconds, rounded up", () => {
    expect(render(greeting, view("json"))).toEqual({
      contentType: "application/json",
      body: '{"text":"Guten Tag. Wie geht\'s, Welt?","usage":{"type":"duration","seconds":5}}',
    });
  });

  test("of a translation has no usage", () => {
    expect(Object.keys(jsonOf(greeting, view("json", { task: "translate" })))).toEqual(["text"]);
  });

  test("has the log-probabilities of the text tokens only when they are asked for", () => {
    const said = transcript([segment(" é", 0, 100, { tokens: [token(50364, ""), token(7, " é", -0.004)] })]);
    expect(jsonOf(said, view("json", { logprobs: true })).logprobs).toEqual([
      { token: " é", logprob: -0.004, bytes: [32, 195, 169] },
    ]);
    expect(jsonOf(said, view("json"))).not.toHaveProperty("logprobs");
    expect(jsonOf(said, view("verbose_json", { logprobs: true }))).not.toHaveProperty("logprobs");
  });

  test("shows a token that is half a character by its bytes", () => {
    const half = { ...token(9, ""), bytes: new Uint8Array([0xc3]) };
    const said = transcript([segment("é", 0, 100, { tokens: [half] })]);
    expect(jsonOf(said, view("json", { logprobs: true })).logprobs).toEqual([
      { token: "\ufffd", logprob: -0.25, bytes: [0xc3] },
    ]);
  });
});

describe("text", () => {
  test("is the trimmed text and one line end", () => {
    expect(render(greeting, view("text"))).toEqual({
      contentType: "text/plain; charset=utf-8",
      body: "Guten Tag. Wie geht's, Welt?\n",
    });
  });

  test("of silence is one line end", () => {
    expect(bodyOf(transcript([]), view("text"))).toBe("\n");
  });
});

describe("verbose_json", () => {
  test("has OpenAI's keys in OpenAI's order, seconds with three decimals at most, and the full language name", () => {
    const { contentType, body } = render(greeting, view("verbose_json", { words: true }));
    expect(contentType).toBe("application/json");
    expect(body).toBe(
      '{"task":"transcribe","language":"german","duration":4.7,"text":"Guten Tag. Wie geht\'s, Welt?",' +
        '"segments":[{"id":0,"seek":0,"start":0.36,"end":1.38,"text":" Guten Tag.","tokens":[50364,1,50464],' +
        '"temperature":0,"avg_logprob":-0.25,"compression_ratio":1.1,"no_speech_prob":0.01},' +
        '{"id":1,"seek":30,"start":1.38,"end":4.7,"text":" Wie geht\'s, Welt?","tokens":[50364,1,50464],' +
        '"temperature":0,"avg_logprob":-0.25,"compression_ratio":1.1,"no_speech_prob":0.01}],' +
        '"words":[{"word":"Guten","start":0.36,"end":1.38},{"word":"Tag","start":0.36,"end":1.38},' +
        '{"word":"Wie","start":1.38,"end":4.7},{"word":"geht\'s","start":1.38,"end":4.7},' +
        '{"word":"Welt","start":1.38,"end":4.7}],"usage":{"type":"duration","seconds":5}}',
    );
  });

  test("with words only has no segments", () => {
    const body = jsonOf(greeting, view("verbose_json", { words: true, segments: false }));
    expect(Object.keys(body)).toEqual(["task", "language", "duration", "text", "words", "usage"]);
  });

  test("of a translation is English, has no usage and says so", () => {
    const body = jsonOf(greeting, view("verbose_json", { task: "translate" }));
    expect(body).toMatchObject({ task: "translate", language: "english" });
    expect(body).not.toHaveProperty("usage");
  });

  test("has every number finite, whatever the engine says", () => {
    const broken = segment(" a", Number.NaN, Number.NEGATIVE_INFINITY, {
      seek: Number.NaN,
      avgLogprob: Number.NEGATIVE_INFINITY,
      noSpeechProb: Number.NaN,
      compressionRatio: Number.POSITIVE_INFINITY,
      temperature: Number.NaN,
      tokens: [token(1, " a", Number.NEGATIVE_INFINITY)],
      words: [{ text: "a", startMs: Number.NaN, endMs: Number.NaN, probability: Number.NaN }],
    });
    const said = transcript([broken], { durationMs: Number.POSITIVE_INFINITY });
    const { segments, words, duration, usage } = jsonOf(said, view("verbose_json", { words: true }));
    const { text: _, tokens, ...numbers } = segments[0];
    expect(Object.keys(numbers)).toHaveLength(8);
    for (const value of [...Object.values(numbers), ...tokens, words[0].start, words[0].end, duration])
      expect(value).toBeNumber();
    expect(numbers).toMatchObject({ start: 0, end: 0, avg_logprob: -9999 });
    expect(usage.seconds).toBe(0);
    expect(jsonOf(said, view("json", { logprobs: true })).logprobs[0].logprob).toBe(-9999);
    expect(bodyOf(said, view("srt"))).toContain("00:00:00,000 --> 00:00:00,000");
    expect(JSON.stringify(streamOf(said, view("verbose_json", { words: true })))).not.toContain("null");
  });

  test("has no end before its start", () => {
    expect(jsonOf(transcript([segment(" a", 1000, 900)]), view("verbose_json")).segments[0]).toMatchObject({
      start: 1,
      end: 1,
    });
  });
});

describe("words", () => {
  const wordsOf = (text: string) =>
    jsonOf(transcript([segment(text, 0, 1)]), view("verbose_json", { words: true })).words.map(
      ({ word }: { word: string }) => word,
    );

  test.each([
    [" Hello, (world)!", ["Hello", "world"]],
    [" it's well-known o'clock", ["it's", "well-known", "o'clock"]],
    [' "Quoted." «Bonjour» ¿Qué?', ["Quoted", "Bonjour", "Qué"]],
    [" 3.14 U.S. 1,000,", ["3.14", "U.S", "1,000"]],
    [" so -- then ... — ?", ["so", "then"]],
    [" 5% of C# & $9", ["5%", "of", "C#", "&", "$9"]],
    ["你好。 世界！", ["你好", "世界"]],
    [" नमस्ते। हिन्दी", ["नमस्ते", "हिन्दी"]],
  ])("of %p are spelt without the punctuation around them", (text, expected) => {
    expect(wordsOf(text)).toEqual(expected);
  });
});

describe("diarized_json", () => {
  const talk = transcript(
    [
      segment(" Hello.", 0, 1300, { channel: 0 }),
      segment(" Bye.", 4000, 4700, { channel: 0 }),
      segment(" Hi.", 1300, 2000, { channel: 1 }),
    ],
    { channels: 2 },
  );

  test("sorts the channels into one conversation, with letters as speakers", () => {
    expect(jsonOf(talk, view("diarized_json"))).toEqual({
      task: "transcribe",
      duration: 4.7,
      text: "Hello. Hi. Bye.",
      segments: [
        { type: "transcript.text.segment", id: "seg_0", start: 0, end: 1.3, text: " Hello.", speaker: "A" },
        { type: "transcript.text.segment", id: "seg_1", start: 1.3, end: 2, text: " Hi.", speaker: "B" },
        { type: "transcript.text.segment", id: "seg_2", start: 4, end: 4.7, text: " Bye.", speaker: "A" },
      ],
      usage: { type: "duration", seconds: 5 },
    });
  });

  test("uses the known names for the first channels", () => {
    const { segments } = jsonOf(talk, view("diarized_json", { speakerNames: ["agent"] }));
    expect(segments.map(({ speaker }: { speaker: string }) => speaker)).toEqual(["agent", "B", "agent"]);
  });

  test("does not run out of letters", () => {
    const crowd = transcript([25, 26, 52].map((channel) => segment(" a", channel, channel, { channel })));
    expect(jsonOf(crowd, view("diarized_json")).segments).toMatchObject([
      { speaker: "Z" },
      { speaker: "AA" },
      { speaker: "BA" },
    ]);
  });

  test("streams segments without deltas, then the whole conversation", () => {
    const events = streamOf(talk, view("diarized_json"));
    expect(typesOf(events)).toEqual(["segment", "segment", "segment", "done"]);
    expect(events[2]).toEqual({
      type: "transcript.text.segment",
      id: "seg_2",
      start: 1.3,
      end: 2,
      text: " Hi.",
      speaker: "B",
    });
    expect(events[3]).toMatchObject({ text: "Hello. Hi. Bye.", usage: { type: "duration", seconds: 5 } });
  });

  test("of channels kept apart has its plain text sorted in the other formats too, ids in that order", () => {
    expect(jsonOf(talk, view("json")).text).toBe("Hello. Hi. Bye.");
    expect(jsonOf(talk, view("verbose_json")).segments).toMatchObject([{ id: 0 }, { id: 1 }, { id: 2 }]);
    expect(bodyOf(talk, view("srt"))).toContain("2\n00:00:01,300 --> 00:00:02,000\nHi.\n");
  });
});

describe("a stream", () => {
  const spaced = transcript([
    segment("  ", 0, 10),
    segment("  Guten", 10, 20),
    segment(" ", 20, 30),
    segment(" Tag. \n", 30, 40),
    segment("", 40, 50),
    segment("   Welt", 50, 60),
    segment(" \n ", 60, 70),
  ]);
  const silent = transcript([]);
  const blank = transcript([segment(" ", 0, 10)]);

  test.each(responseFormats.filter((format) => format !== "diarized_json"))(
    "of %s has deltas that alone add up to the text of its last object",
    (format) => {
      for (const said of [greeting, spaced, silent, blank]) {
        const events = streamOf(said, view(format));
        const last = events.at(-1);
        expect(last?.type).toBe("transcript.text.done");
        expect(last?.text).toBe(deltasOf(events));
        expect(events.every(({ delta }) => delta !== "")).toBe(true);
      }
    },
  );

  test.each(["json", "text", "verbose_json"] as const)(
    "of %s ends with the text of the json body",
    (format) => {
      for (const said of [greeting, spaced, silent, blank])
        expect(streamOf(said, view(format)).at(-1)?.text).toBe(jsonOf(said, view("json")).text);
    },
  );

  test.each(["srt", "vtt"] as const)("of %s adds up to the very file that is sent in one piece", (format) => {
    for (const said of [greeting, spaced, silent, blank])
      expect(deltasOf(streamOf(said, view(format)))).toBe(bodyOf(said, view(format)));
  });

  test("of verbose_json adds the segments and words of the body, and what the body says beside them", () => {
    const seen = view("verbose_json", { words: true });
    const body = jsonOf(greeting, seen);
    const events = streamOf(greeting, seen);
    expect(typesOf(events)).toEqual(["delta", "segment", "delta", "segment", "done"]);
    const parts = events.filter(({ type }) => type === "transcript.text.segment");
    expect(parts.map(({ type: _, words: __, ...ten }) => ten)).toEqual(body.segments);
    const words = parts.flatMap(({ words: judged }) => judged as Record<string, unknown>[]);
    expect(words.map(({ probability: _, ...three }) => three)).toEqual(body.words);
    for (const { probability } of words) expect(probability).toBeNumber();
    const { segments: _, words: __, ...rest } = body;
    expect(events.at(-1)).toEqual({ type: "transcript.text.done", ...rest });
  });

  test("has log-probabilities beside each delta and all of them at the end, when asked for", () => {
    const events = streamOf(greeting, view("json", { logprobs: true }));
    const body = jsonOf(greeting, view("json", { logprobs: true }));
    const deltas = events.filter(({ type }) => type === "transcript.text.delta");
    expect(deltas.flatMap(({ logprobs }) => logprobs)).toEqual(body.logprobs);
    expect(events.at(-1)?.logprobs).toEqual(body.logprobs);
    expect(JSON.stringify(streamOf(greeting, view("json")))).not.toContain("logprob");
  });

  test("numbers the segments in the order of their arrival", () => {
    const parts = streamOf(
      transcript([segment(" a", 0, 1, { id: 7 }), segment(" b", 1, 2, { id: 3 })]),
      view("verbose_json"),
    );
    expect(parts.filter(({ id }) => id !== undefined)).toMatchObject([{ id: 0 }, { id: 1 }]);
  });
});
