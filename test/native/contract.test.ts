import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Model, native, type RunEvent } from "../../src/native.ts";
import { recording } from "../fixtures/index.ts";
import {
  decode,
  decodeFixture,
  openModel,
  rejection,
  runOptions,
  segmentsOf,
  transcribe,
} from "./harness.ts";

setDefaultTimeout(60_000);

let model: Model;

beforeAll(async () => {
  model = await openModel();
});
afterAll(() => model.close());

test("the addon exports what src/native.ts describes and nothing else", () => {
  expect(Object.keys(native).sort()).toEqual(["decode", "info", "loadModel", "openLive", "pcm", "setLog"]);
});

test("info() tells versions and at least the CPU", () => {
  const info = native.info();
  expect(Object.keys(info).sort()).toEqual(["backends", "devices", "ffmpeg", "kernels", "system", "version"]);
  expect(info.kernels).toMatch(/^(baseline|avx2|avx512)$/);
  expect(info.version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(info.system).toContain("CPU");
  expect(info.ffmpeg === null || /^\d+\.\d+\.\d+$/.test(info.ffmpeg)).toBe(true);
  expect(info.devices.map((device) => device.type)).toContain("cpu");
  for (const device of info.devices) {
    expect(device).toEqual({
      name: expect.any(String),
      description: expect.any(String),
      type: expect.stringMatching(/^(cpu|gpu|accelerator)$/),
      memoryBytes: expect.any(Number),
    });
    expect(device.name).not.toBe("");
    expect(device.memoryBytes).toBeGreaterThan(0);
  }
});

test("setLog() gives nothing back", () => {
  expect(native.setLog(null) as unknown).toBeUndefined();
});

test("decode() gives a job whose Pcm says what was read", async () => {
  const job = native.decode(recording("en-digits.wav").path, {
    splitChannels: false,
    maxChannels: 1,
    maxDurationMs: 10_000,
  });
  expect(Object.keys(job).sort()).toEqual(["cancel", "result"]);
  expect(job.result).toBeInstanceOf(Promise);
  const pcm = await job.result;
  expect(Object.keys(pcm).sort()).toEqual([
    "channel",
    "channels",
    "close",
    "durationMs",
    "format",
    "samples",
  ]);
  expect(pcm).toMatchObject({ channels: 1, samples: 43_933, durationMs: 2745, format: "pcm_s16le" });
  expect(pcm.close() as unknown).toBeUndefined();
});

test("decode() takes bytes as well as a path, and finds the same", async () => {
  const { path } = recording("en-segments.flac");
  const [fromFile, fromBytes] = await Promise.all([decode(path), decode(await Bun.file(path).bytes())]);
  expect(fromBytes.samples).toBe(fromFile.samples);
  expect(fromBytes.format).toBe("flac");
});

test("decode() copies bytes: what becomes of them afterwards does not matter", async () => {
  const bytes = await Bun.file(recording("en-digits.wav").path).bytes();
  const decoding = decode(bytes);
  bytes.fill(0);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  expect((await decoding).samples).toBe(43_933);
});

test("decode() takes bytes whose buffer was given away as none", async () => {
  const bytes = await Bun.file(recording("en-digits.wav").path).bytes();
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  expect((await rejection(decode(bytes))).code).toBe("unsupported_format");
});

test("decode() reads a part of a larger buffer", async () => {
  const bytes = await Bun.file(recording("en-digits.wav").path).bytes();
  const larger = new Uint8Array(bytes.length + 1000).fill(255);
  larger.set(bytes, 500);
  const pcm = await decode(larger.subarray(500, 500 + bytes.length));
  expect(pcm.samples).toBe(43_933);
});

test("pcm() copies samples at 16 kHz", async () => {
  const samples = new Float32Array(16_000);
  const pcm = native.pcm(samples);
  expect(pcm).toMatchObject({ channels: 1, samples: 16_000, durationMs: 1000, format: expect.any(String) });
  expect(native.pcm(samples.subarray(0, 8000)).durationMs).toBe(500);
});

test("channel() gives one channel that outlives the Pcm it came from", async () => {
  const pcm = await decodeFixture("en-two-speakers.wav", { splitChannels: true });
  expect(pcm.channels).toBe(2);
  const second = pcm.channel(1);
  expect(second).toMatchObject({ channels: 1, samples: pcm.samples, durationMs: pcm.durationMs });
  pcm.close();
  const events = await transcribe(model, second);
  expect(segmentsOf(events).map((segment) => segment.text.trim())).toEqual([
    "Good evening Anna.",
    "The market is cold today.",
  ]);
});

test("loadModel() tells what the weights are", () => {
  expect(Object.keys(model).sort()).toEqual([
    "bytes",
    "bytesPerSlot",
    "close",
    "counters",
    "languages",
    "multilingual",
    "precision",
    "run",
    "slots",
    "type",
  ]);
  expect(model).toMatchObject({ type: "tiny", multilingual: true, precision: "q8_0", slots: 8 });
  expect(model.bytes).toBeGreaterThan(5_000_000);
  expect(model.languages).toHaveLength(99);
  expect(model.languages).toEqual(expect.arrayContaining(["en", "de", "fr", "es", "ru", "zh"]));
});

test("counters() tells what was computed, and grows", async () => {
  const before = model.counters();
  const events = await transcribe(model, await decodeFixture("en-digits.wav"));
  const after = model.counters();
  expect(after.windows).toBe(before.windows + 1);
  const tokens = segmentsOf(events).flatMap((segment) => segment.tokens).length;
  expect(after.steps - before.steps).toBeGreaterThanOrEqual(tokens);
  expect(after.rows - before.rows).toBeGreaterThanOrEqual(after.steps - before.steps);
  expect(after.encodingUs).toBeGreaterThan(before.encodingUs);
  expect(after.decodingUs).toBeGreaterThan(before.decodingUs);
  expect(after.slotsInUse).toBe(0);
});

test("counters() tells the slots that are in use while a window is decoded", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let inUse = 0;
  const pcm = await decodeFixture("en-digits.wav");
  model.run(pcm, { ...runOptions, tokenEvents: true }, (event) => {
    if (event.type === "token") inUse = Math.max(inUse, model.counters().slotsInUse);
    if (event.type === "done" || event.type === "error") resolve();
  });
  await promise;
  expect(inUse).toBe(1);
});

test("close() of a model resolves with nothing, any number of times", async () => {
  const closing = await openModel();
  const first = closing.close();
  expect(first).toBeInstanceOf(Promise);
  expect((await first) as unknown).toBeUndefined();
  expect((await closing.close()) as unknown).toBeUndefined();
});

describe("a run", () => {
  let events: readonly RunEvent[];
  let withWords: readonly RunEvent[];

  beforeAll(async () => {
    const pcm = await decodeFixture("en-segments.wav");
    events = await transcribe(model, pcm, { language: "auto" });
    withWords = await transcribe(model, pcm, { wordTimes: true });
  });

  test("gives every property of a segment, in one order, and nothing else", () => {
    for (const segment of segmentsOf(withWords)) {
      expect(Object.keys(segment)).toEqual([
        "id",
        "seek",
        "startMs",
        "endMs",
        "text",
        "tokens",
        "words",
        "avgLogprob",
        "noSpeechProb",
        "compressionRatio",
        "temperature",
        "speakerTurn",
      ]);
    }
    expect(segmentsOf(withWords).map(({ id }) => id)).toEqual([0, 1, 2, 3]);
  });

  test("gives numbers that are finite and in their range", () => {
    for (const segment of [...segmentsOf(events), ...segmentsOf(withWords)]) {
      for (const ms of [segment.startMs, segment.endMs, segment.seek]) {
        expect(Number.isInteger(ms)).toBe(true);
        expect(ms).toBeGreaterThanOrEqual(0);
      }
      expect(segment.endMs).toBeGreaterThan(segment.startMs);
      expect(segment.avgLogprob).toBeLessThanOrEqual(0);
      expect(segment.avgLogprob).toBeGreaterThan(-1);
      expect(segment.noSpeechProb).toBeGreaterThanOrEqual(0);
      expect(segment.noSpeechProb).toBeLessThanOrEqual(1);
      expect(segment.compressionRatio).toBeGreaterThan(0);
      expect(segment.compressionRatio).toBeLessThan(10);
      expect(segment.temperature).toBe(0);
      expect(segment.speakerTurn).toBe(false);
    }
  });

  test("gives tokens with id, bytes, probability, logprob and, without word times, no times", () => {
    for (const segment of segmentsOf(events)) {
      for (const token of segment.tokens) {
        expect(token).toEqual({
          id: expect.any(Number),
          bytes: expect.any(Uint8Array),
          probability: expect.any(Number),
          logprob: expect.any(Number),
          startMs: null,
          endMs: null,
        });
        expect(token.probability).toBeGreaterThanOrEqual(0);
        expect(token.probability).toBeLessThanOrEqual(1);
        expect(Math.exp(token.logprob)).toBeCloseTo(token.probability, 3);
      }
      expect(segment.words).toEqual([]);
    }
  });

  test("gives tokens whose bytes are the segment's text, between two timestamp tokens without bytes", () => {
    const beginId = 50_364; // <|0.00|> of Whisper's multilingual vocabulary
    for (const segment of segmentsOf(events)) {
      const bytes = Buffer.concat(segment.tokens.map((token) => token.bytes));
      expect(bytes.toString("utf8")).toBe(segment.text);
      const [first, last] = [segment.tokens[0], segment.tokens.at(-1)];
      expect(first?.id).toBeGreaterThanOrEqual(beginId);
      expect(last?.id).toBeGreaterThan(first?.id ?? 0);
      expect(first?.bytes).toHaveLength(0);
      expect(last?.bytes).toHaveLength(0);
      expect(((first?.id ?? 0) - beginId) * 20).toBe(segment.startMs - segment.seek * 10);
      expect(((last?.id ?? 0) - beginId) * 20).toBe(segment.endMs - segment.seek * 10);
    }
  });

  test("gives every token a time when word times are asked for", () => {
    for (const { tokens, startMs, endMs } of segmentsOf(withWords)) {
      for (const token of tokens) {
        expect(token.startMs).toBeGreaterThanOrEqual(startMs);
        expect(token.endMs).toBeLessThanOrEqual(endMs);
        expect(token.endMs).toBeGreaterThanOrEqual(token.startMs ?? Infinity);
      }
    }
  });

  test("gives words with text, times and probability when they are asked for", () => {
    for (const word of segmentsOf(withWords).flatMap(({ words }) => words)) {
      expect(word).toEqual({
        text: expect.stringMatching(/^\S+$/),
        startMs: expect.any(Number),
        endMs: expect.any(Number),
        probability: expect.any(Number),
      });
      expect(word.probability).toBeGreaterThan(0);
      expect(word.probability).toBeLessThanOrEqual(1);
    }
    expect(segmentsOf(withWords).map(({ words }) => words.length)).toEqual([3, 6, 7, 2]);
  });

  test("ends with one done event that tells language and times", () => {
    expect(events.at(-1)).toEqual({
      type: "done",
      language: "en",
      computeMs: expect.any(Number),
      waitMs: expect.any(Number),
    });
    expect(events.filter(({ type }) => type === "done" || type === "error")).toHaveLength(1);
  });

  test("tells its progress in order, up to the whole", () => {
    const progress = events.flatMap((event) => (event.type === "progress" ? [event] : []));
    expect(progress.length).toBeGreaterThan(0);
    expect(progress.at(-1)).toEqual({ type: "progress", doneMs: 10_146, totalMs: 10_146 });
    for (const [index, { doneMs }] of progress.entries()) {
      expect(doneMs).toBeGreaterThanOrEqual(progress[index - 1]?.doneMs ?? 0);
    }
  });
});
