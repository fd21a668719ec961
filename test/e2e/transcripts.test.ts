/** Every recording through the whole server: the right text, in every format, by every way a client has. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createReadStream } from "node:fs";
import { $ } from "bun";
import OpenAI from "openai";
import type { TranscriptionVerbose } from "openai/resources/audio/transcriptions";
import OpenAI6 from "openai-6";
import { wavEncodings } from "../fixtures/encodings.ts";
import {
  moreRecordings,
  needsMoreRecordings,
  type Recording,
  recording,
  recordings,
  type SpokenSegment,
} from "../fixtures/index.ts";
import { type Server, startServer } from "./server.ts";

setDefaultTimeout(300_000);

let server: Server;
let client: OpenAI;
let older: OpenAI6;

beforeAll(async () => {
  server = await startServer();
  const settings = { apiKey: "any", baseURL: `${server.url}/v1`, maxRetries: 0 };
  client = new OpenAI(settings);
  older = new OpenAI6(settings);
});
afterAll(() => server[Symbol.asyncDispose]());

const open = ({ path }: Recording) => createReadStream(path);
const model = "whisper-1";
/** Faster than the default five beams. */
const fast = { beam_size: "1" };

async function streamed(found: Recording): Promise<string> {
  const stream = await client.audio.transcriptions.create({ file: open(found), model, stream: true });
  let deltas = "";
  let done: string | null = null;
  for await (const event of stream) {
    if (event.type === "transcript.text.delta") deltas += event.delta;
    if (event.type === "transcript.text.done") done = event.text;
  }
  expect(done).toBe(deltas);
  return deltas;
}

interface Timed {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Fails unless the segments are the same, each within 0.3 s at either end. */
function expectSegments(segments: readonly Timed[], expected: readonly SpokenSegment[]): void {
  expect(segments.map(({ text }) => text.trim())).toEqual(expected.map(({ text }) => text));
  for (const [index, { start, end }] of segments.entries()) {
    expect(Math.abs(start - (expected[index]?.start ?? Infinity))).toBeLessThanOrEqual(0.3);
    expect(Math.abs(end - (expected[index]?.end ?? Infinity))).toBeLessThanOrEqual(0.3);
  }
}

function expectVerbose(verbose: TranscriptionVerbose, found: Recording): void {
  const { model_output: output, duration, language, channels } = found;
  const names = { en: "english", de: "german", fr: "french", es: "spanish", ru: "russian", zh: "chinese" };
  const segments = verbose.segments ?? [];
  expect(verbose).toMatchObject({ task: "transcribe", text: output.transcribe });
  expect(Math.abs(Number(verbose.duration) - duration)).toBeLessThan(0.1);
  if (language !== null) expect(verbose.language).toBe(names[language as keyof typeof names]);
  expectSegments(segments, output.segments);
  // whisper's max_initial_ts does not let the first segment of a window begin later than at 1.0 s
  const isLate = (found.segments[0]?.start ?? 0) > 1;
  const isLong = duration > 30;
  const isHeardAsSpoken = output.transcribe === found.text && channels === 1 && !isLate && !isLong;
  if (isHeardAsSpoken) expectSegments(segments, found.segments);
  for (const segment of segments) {
    for (const value of Object.values(segment).flat()) {
      if (typeof value === "number") expect(Number.isFinite(value)).toBe(true);
    }
  }
  for (const word of verbose.words ?? []) {
    expect(word.word).toMatch(/^[\p{L}\p{N}]+$/u);
    expect(word.start).toBeGreaterThanOrEqual(0);
    expect(word.end).toBeGreaterThanOrEqual(word.start);
  }
}

/** json = text = verbose_json = the collected stream = what is known of the recording. */
async function expectAllViews(found: Recording): Promise<void> {
  const { transcribe } = found.model_output;
  const [json, text, verbose, stream] = await Promise.all([
    client.audio.transcriptions.create({ file: open(found), model }),
    client.audio.transcriptions.create({ file: open(found), model, response_format: "text" }),
    client.audio.transcriptions.create({
      file: open(found),
      model,
      response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    }),
    streamed(found),
  ]);
  expect(json.text).toBe(transcribe);
  expect(text as unknown as string).toBe(`${transcribe}\n`);
  expect(stream).toBe(transcribe);
  expectVerbose(verbose, found);
}

describe("every recording says the same as json, text, verbose_json and stream", () => {
  test.each(recordings.map(({ name }) => name))("%s", (name) => expectAllViews(recording(name)));
});

// These three keep both cores busy together.
test.concurrent.skipIf(moreRecordings === null)(
  `and so does the whole set (${needsMoreRecordings})`,
  async () => {
    for (const found of moreRecordings ?? []) {
      const verbose = await client.audio.transcriptions.create({
        file: open(found),
        model,
        response_format: "verbose_json",
      });
      expectVerbose(verbose, found);
    }
  },
);

test.concurrent("openai 6 transcribes every recording", async () => {
  for (const found of recordings) {
    const { text } = await older.audio.transcriptions.create({
      file: createReadStream(found.path),
      model,
      ...fast,
    });
    expect(text).toBe(found.model_output.transcribe);
  }
});

test.concurrent.skipIf(Bun.which("curl") === null)(
  "curl transcribes every recording (needs curl)",
  async () => {
    for (const { path, model_output } of recordings) {
      const body =
        await $`curl -sS ${server.url}/v1/audio/transcriptions -F file=@${path} -F beam_size=1`.json();
      expect(body.text).toBe(model_output.transcribe);
    }
  },
);

describe("wav made with wavefile says the same", async () => {
  const encoded = await wavEncodings("en-sentence.wav");
  test.each(encoded.map(({ name, bytes }) => [name, bytes] as const))("%s", async (name, bytes) => {
    const file = new File([bytes], name);
    const { text } = await client.audio.transcriptions.create({ file, model, language: "en" });
    expect(text).toBe(recording("en-sentence.wav").text);
  });
});

test("translations are English", async () => {
  for (const name of [
    "de-digits.wav",
    "fr-digits.wav",
    "es-digits.wav",
    "ru-digits.wav",
    "zh-segments.wav",
  ]) {
    const found = recording(name);
    const json = await client.audio.translations.create({ file: open(found), model });
    expect(json).toEqual({ text: found.model_output.translate });
  }
  const verbose = await client.audio.translations.create({
    file: open(recording("zh-segments.wav")),
    model,
    response_format: "verbose_json",
  });
  expect(verbose).toMatchObject({ task: "translate", language: "english" });
});

describe("each format comes with its type", () => {
  const file = () => Bun.file(recording("en-segments.wav").path);
  const post = async (responseFormat: string, more: Record<string, string> = {}) => {
    const body = new FormData();
    for (const [name, value] of Object.entries({ response_format: responseFormat, ...fast, ...more })) {
      body.append(name, value);
    }
    body.append("file", file());
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", body });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-request-id")).toMatch(/^req_[0-9a-f]{32}$/);
    return { type: response.headers.get("content-type"), text: await response.text() };
  };
  const sentences = recording("en-segments.wav").segments.map(({ text }) => text);

  test("text is plain text with a line end", async () => {
    expect(await post("text")).toEqual({
      type: "text/plain; charset=utf-8",
      text: `${sentences.join(" ")}\n`,
    });
  });

  test("srt has numbered cues", async () => {
    const { type, text } = await post("srt");
    expect(type).toBe("text/plain; charset=utf-8");
    const time = String.raw`\d\d:\d\d:\d\d,\d{3}`;
    const cues = sentences.map(
      (sentence, index) => `${index + 1}\n${time} --> ${time}\n${RegExp.escape(sentence)}\n`,
    );
    expect(text).toMatch(new RegExp(`^${cues.join("\n")}\n*$`));
  });

  test("vtt has a head and cues", async () => {
    const { type, text } = await post("vtt");
    expect(type).toBe("text/plain; charset=utf-8");
    const time = String.raw`\d\d:\d\d:\d\d\.\d{3}`;
    const cues = sentences.map((sentence) => `${time} --> ${time}\n${RegExp.escape(sentence)}\n`);
    expect(text).toMatch(new RegExp(`^WEBVTT\n\n${cues.join("\n")}\n*$`));
  });

  test("json has text, usage and, when asked for, logprobs", async () => {
    const { type, text } = await post("json", { "include[]": "logprobs" });
    expect(type).toBe("application/json");
    const body = JSON.parse(text);
    expect(body).toMatchObject({ text: sentences.join(" "), usage: { type: "duration", seconds: 11 } });
    const bytes = body.logprobs.flatMap((entry: { bytes: number[] }) => entry.bytes);
    expect(Buffer.from(bytes).toString().trim()).toBe(body.text);
  });

  test("verbose_json has OpenAI's keys, with segments or words as asked for", async () => {
    const { type, text } = await post("verbose_json", { "timestamp_granularities[]": "word" });
    expect(type).toBe("application/json");
    const body = JSON.parse(text);
    expect(Object.keys(body)).toEqual(["task", "language", "duration", "text", "words", "usage"]);
    expect(body.words).toHaveLength(18);
    const { segments } = JSON.parse((await post("verbose_json")).text);
    expect(Object.keys(segments[0])).toEqual([
      "id",
      "seek",
      "start",
      "end",
      "text",
      "tokens",
      "temperature",
      "avg_logprob",
      "compression_ratio",
      "no_speech_prob",
    ]);
  });

  test("diarized_json has the channels of a recording as its speakers", async () => {
    const body = new FormData();
    body.append("response_format", "diarized_json");
    body.append("model", "gpt-4o-transcribe-diarize");
    body.append("known_speaker_names[]", "Anna");
    body.append("file", Bun.file(recording("en-two-speakers.wav").path));
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", body });
    const diarized = (await response.json()) as { segments: (Timed & { speaker: string; id: string })[] };
    expect(diarized.segments.map(({ speaker, text }) => [speaker, text.trim()])).toEqual(
      recording("en-two-speakers.wav").segments.map(({ channel, text }) => [
        channel === 0 ? "Anna" : "B",
        text,
      ]),
    );
    // the second speaker is silent for two seconds, and whisper's max_initial_ts lets him begin at 1.0 s
    expect(diarized.segments[1]?.start).toBeLessThan(
      recording("en-two-speakers.wav").segments[1]?.start ?? 0,
    );
    const others = <T>(segments: readonly T[]) => segments.filter((_, index) => index !== 1);
    expectSegments(others(diarized.segments), others(recording("en-two-speakers.wav").segments));
  });

  test("a stream is server-sent events that end with [DONE]", async () => {
    const { type, text } = await post("json", { stream: "true" });
    expect(type).toBe("text/event-stream; charset=utf-8");
    const lines = text.split("\r\n\r\n");
    expect(lines.pop()).toBe("");
    expect(lines.pop()).toBe("data: [DONE]");
    for (const line of lines) expect(line).toStartWith("data: {");
    expect(lines.length).toBeGreaterThan(sentences.length + 1);
  });
});

test("eight requests at a time each get their own transcript", async () => {
  const names = ["en-digits.wav", "de-digits.wav", "zh-segments.wav", "en-segments.m4a"];
  const texts = await Promise.all(
    Array.from({ length: 8 }, async (_, index) => {
      const found = recording(names[index % 4] ?? "");
      const { text } = await client.audio.transcriptions.create({ file: open(found), model, ...fast });
      return [text, found.model_output.transcribe];
    }),
  );
  for (const [text, expected] of texts) expect(text).toBe(expected);
});

test("none of this left a file behind, or an error in the log", async () => {
  expect(await server.leftovers()).toEqual([]);
  expect(server.log().filter(({ level }) => level === "error" || level === "raw")).toEqual([]);
});
