/**
 * Where we do otherwise than whisper_full, one test each: first that whisper.cpp does what we say of it, then what we do.
 * The table in ARCHITECTURE.md, "Where we depart from whisper.cpp", has the same rows.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Model, native, type RunOptions } from "../../src/native.ts";
import { demoModel, needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { decode, modelOptions, runOptions, segmentsOf, transcribe } from "./harness.ts";
import { asReference, type ReferenceOptions, reference } from "./reference.ts";

setDefaultTimeout(60_000);

const timestampBegin = 50364;
const endOfText = 50257;

let model: Model;
const folder = folderForAllTests();
beforeAll(async () => {
  model = await openFile(demoModel);
});
afterAll(async () => {
  await model.close();
});

const openFile = (path: string) => native.loadModel(path, modelOptions).result;

/** One thing that was said, by either. */
interface Said {
  readonly startMs: number;
  readonly endMs: number;
  readonly text: string;
  readonly noSpeechProb: number;
  readonly tokens: readonly { readonly id: number; readonly logprob: number }[];
}

async function ours(path: string, options: Partial<RunOptions> = {}, on = model) {
  const pcm = await decode(path);
  return segmentsOf(await transcribe(on, pcm, options));
}

async function theirs(
  path: string,
  options: Partial<RunOptions> = {},
  more: Partial<ReferenceOptions> = {},
  weights = demoModel,
) {
  const job = { path, options: { ...asReference({ ...runOptions, ...options }), ...more } };
  const [result] = await reference([job], weights);
  if (!result) throw new Error("No result");
  const segments = result.segments.map(
    (segment): Said => ({
      ...segment,
      tokens: segment.tokens.map(([id, plog]) => ({ id, logprob: plog })),
    }),
  );
  return { segments, fallbacks: result.fallbacks };
}

const textOf = (segments: readonly Said[]) => segments.map(({ text }) => text).join("");
/** Of the text tokens. */
const logprobsOf = (segments: readonly Said[]) =>
  segments.flatMap(({ tokens }) => tokens.filter(({ id }) => id < endOfText).map(({ logprob }) => logprob));
/** Of the timestamps that end segments, and the text tokens. */
const allLogprobsOf = (segments: readonly Said[]) => [
  ...logprobsOf(segments),
  ...segments.map(({ tokens }) => tokens.at(-1)?.logprob ?? Number.NaN),
];
function distance(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return a.reduce((sum, each, index) => sum + Math.abs(each - (b[index] ?? Number.NaN)), 0);
}
const isTimestamp = (id = 0) => id >= timestampBegin;
const pathOf = (name: string) => recording(name).path;

/** A recording made of others (16 kHz, one channel) and of silences in seconds; a pair is filled up with silence to so many. */
async function wav(name: string, pieces: readonly (string | number | readonly [string, number])[]) {
  const bytesOf = async (piece: (typeof pieces)[number]): Promise<Uint8Array> => {
    if (typeof piece === "number") return new Uint8Array(piece * 32_000);
    if (typeof piece === "string") return (await Bun.file(pathOf(piece)).bytes()).subarray(44);
    const filled = new Uint8Array(piece[1] * 32_000);
    filled.set(await bytesOf(piece[0]));
    return filled;
  };
  const samples = Buffer.concat(await Promise.all(pieces.map(bytesOf)));
  const header = Buffer.from((await Bun.file(pathOf("en-digits.wav")).bytes()).subarray(0, 44));
  header.writeUInt32LE(36 + samples.length, 4);
  header.writeUInt32LE(samples.length, 40);
  const path = join(folder.path, `${name}.wav`);
  await Bun.write(path, Buffer.concat([header, samples]));
  return path;
}

/** The test model with the first two of its four decoder layers: it babbles. */
async function twoLayers(): Promise<string> {
  const file = Buffer.from(await Bun.file(demoModel).bytes());
  const header = Buffer.from(file.subarray(0, 48));
  header.writeInt32LE(2, 4 + 4 * 8);
  let at = 48;
  const number = () => {
    at += 4;
    return file.readInt32LE(at - 4);
  };
  const skip = (bytes: number) => {
    at += bytes;
  };
  skip(4 * number() * number()); // mel filters
  for (let words = number(); words > 0; words -= 1) skip(number());
  const kept = [header, file.subarray(48, at)];
  const bytesOf: Record<number, (count: number) => number> = {
    0: (count) => 4 * count,
    1: (count) => 2 * count,
    8: (count) => (count / 32) * 34,
  };
  while (at < file.length) {
    const begin = at;
    const [dimensions, length, type] = [number(), number(), number()];
    let count = 1;
    for (let index = 0; index < dimensions; index += 1) count *= number();
    const name = file.toString("latin1", at, at + length);
    skip(length + (bytesOf[type]?.(count) ?? Number.NaN));
    if (!/^decoder\.blocks\.[23]\./.test(name)) kept.push(file.subarray(begin, at));
  }
  const path = join(folder.path, "two.bin");
  await Bun.write(path, Buffer.concat(kept));
  return path;
}

test("the probability of no speech is that of this window, whether the language was given or detected", async () => {
  const path = pathOf("en-segments.wav");
  const [mine, mineDetected] = [await ours(path), await ours(path, { language: "auto" })];
  const [given, detected] = [await theirs(path), await theirs(path, { language: "auto" })];
  const of = (segments: readonly Said[]) => Math.log(segments[0]?.noSpeechProb ?? Number.NaN);
  // given: what another step has left in the first row of its logits
  expect(Math.abs(of(given.segments) - of(detected.segments))).toBeGreaterThan(1);
  expect(Math.abs(of(mineDetected) - of(detected.segments))).toBeLessThan(0.2);
  expect(of(mine)).toBe(of(mineDetected));
});

test("repetition is what zlib compresses well", async () => {
  const path = await wav("repetition", Array<string>(4).fill("en-digits.wav"));
  const options = { compressionRatioThreshold: 1.5, temperatureIncrement: 1, logprobThreshold: -100 };
  const { fallbacks } = await theirs(path, options);
  expect(fallbacks).toEqual({ probability: 0, entropy: 0 });
  const [segment] = await ours(path, options);
  expect(segment?.temperature).toBe(1);
  const [kept] = await ours(path, { ...options, compressionRatioThreshold: 10 });
  expect(kept?.temperature).toBe(0);
  expect(kept?.compressionRatio).toBeGreaterThan(1.5);
});

test("a window of silence is no failure", async () => {
  const path = await wav("silent-window", [31, "en-digits.wav"]);
  const { fallbacks } = await theirs(path);
  expect(fallbacks.probability).toBe(5); // all temperatures: a first timestamp of 0.00 does not count
  const segments = await ours(path);
  expect(textOf(segments)).toBe(" One two three four five.");
  expect(segments[0]?.temperature).toBe(0);
});

describe("a model with two decoder layers", () => {
  const once = { temperatureIncrement: 0, noSpeechThreshold: 1, logprobThreshold: -100 };
  let path: string;
  let two: Model;
  beforeAll(async () => {
    path = await twoLayers();
    two = await openFile(path);
  });
  afterAll(() => two.close());

  const babbled = [
    ...["en-digits.wav", "en-question.wav", "en-sentence.wav", "en-segments.wav", "de-digits.wav"],
    ...["es-digits.wav", "fr-digits.wav", "ru-digits.wav", "zh-segments.wav"],
  ];

  // here because a model that is sure of its words hardly shows it
  test("gives no attention to zeros behind the encoding", async () => {
    let [fromPlain, fromPadded] = [0, 0];
    const first = (segments: readonly Said[]) => logprobsOf(segments).slice(0, 3);
    for (const name of babbled) {
      const options = { ...once, timestamps: false };
      const mine = first(await ours(pathOf(name), options, two));
      const plain = await theirs(pathOf(name), options, {}, path);
      const padded = await theirs(pathOf(name), options, { flashAttention: true }, path);
      fromPlain += distance(mine, first(plain.segments));
      fromPadded += distance(mine, first(padded.segments));
    }
    expect(fromPadded).toBeGreaterThan(1.5 * fromPlain);
  });

  test("writes timestamps, and a window begins with one", async () => {
    const clip = pathOf("en-digits.wav");
    const { segments } = await theirs(clip, once, {}, path);
    expect(segments.flatMap(({ tokens }) => tokens).some(({ id }) => isTimestamp(id))).toBe(false);
    const mine = await ours(clip, once, two);
    expect(mine.length).toBeGreaterThan(0);
    for (const { tokens, startMs, endMs } of mine) {
      expect(isTimestamp(tokens[0]?.id)).toBe(true);
      expect(endMs).toBeGreaterThan(startMs);
    }
  });

  test("beams are the most probable continuations, not drawn from them", async () => {
    const options = { ...once, timestamps: false, beamSize: 5 };
    const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
    const found: { mine: number; other: number }[] = [];
    for (const name of babbled) {
      const { segments } = await theirs(pathOf(name), options, {}, path);
      const mine = await ours(pathOf(name), options, two);
      found.push({ mine: mean(logprobsOf(mine)), other: mean(logprobsOf(segments)) });
    }
    // of one recording luck may draw the better beam
    expect(mean(found.map(({ mine }) => mine))).toBeGreaterThan(mean(found.map(({ other }) => other)));
  });
});

test.skipIf(vadModel === null)(`voice activity detection cuts no words (${needsVadModel})`, async () => {
  const options = { vadModel: vadModel ?? "" };
  const { text, path } = recording("en-question.wav");
  const { segments } = await theirs(path, options, { vad: "whisper.cpp" });
  expect(textOf(segments).trim()).not.toBe(text);
  expect(textOf(await ours(path, { ...options, vad: true })).trim()).toBe(text);
});

test("the next window begins where the last whole segment ends", async () => {
  const path = pathOf("en-long-95s.mp3");
  const mine = await ours(path);
  const second = mine.findIndex(({ seek }) => seek > 0);
  expect((mine[second]?.seek ?? 0) * 10).toBe(mine[second - 1]?.endMs ?? Number.NaN);
  const { segments } = await theirs(path);
  const their = segments[second];
  const windowMs = (their?.endMs ?? 0) - ((their?.tokens.at(-1)?.id ?? 0) - timestampBegin) * 20;
  expect(windowMs).toBe(their?.startMs ?? Number.NaN);
  expect(windowMs).toBeGreaterThan((mine[second]?.seek ?? 0) * 10);
});

test("without timestamps a segment is what of its window holds audio", async () => {
  const path = pathOf("en-digits.wav"); // 2746 ms
  const { segments } = await theirs(path, { timestamps: false });
  expect(segments[0]?.startMs).toBeLessThan(0);
  expect(segments[0]?.endMs).toBe(30_000);
  expect(segments[0]?.tokens.at(-1)?.id).toBe(endOfText); // and goes into the next prompt
  const [mine] = await ours(path, { timestamps: false });
  expect(mine).toMatchObject({ startMs: 0, endMs: 2740 });
  expect(mine?.tokens.at(-1)?.id).toBeLessThan(endOfText);
});

test("a temperature changes what is drawn, not by what it is judged", async () => {
  const path = pathOf("zh-segments.wav");
  const drawn = { temperature: 0.4, temperatureIncrement: 0, language: "zh" };
  const best = { language: "zh" };
  const [cold, warm] = [(await theirs(path, best)).segments, (await theirs(path, drawn)).segments];
  expect(textOf(warm)).toBe(textOf(cold));
  expect(distance(allLogprobsOf(warm), allLogprobsOf(cold))).toBeGreaterThan(0.01);
  const [mineCold, mineWarm] = [await ours(path, best), await ours(path, drawn)];
  expect(textOf(mineWarm)).toBe(textOf(mineCold));
  expect(distance(allLogprobsOf(mineWarm), allLogprobsOf(mineCold))).toBeLessThan(0.002);
});

describe("the prompt", () => {
  const prompt = "Call Maria tomorrow. Zwölf 零 zero";

  test("without text carried on stands before the first window", async () => {
    const path = pathOf("en-segments.wav");
    const options = { conditionOnPreviousText: false };
    const [without, given] = [await theirs(path, options), await theirs(path, { ...options, prompt })];
    expect(given.segments).toEqual(without.segments);
    const [mine, none] = [await ours(path, { ...options, prompt }), await ours(path, options)];
    const carried = await theirs(path, { prompt });
    expect(distance(logprobsOf(mine), logprobsOf(none))).toBeGreaterThan(0);
    expect(distance(logprobsOf(mine), logprobsOf(carried.segments))).toBeLessThan(0.02);
  });

  test("is the same at every temperature", async () => {
    const path = pathOf("en-segments.wav");
    const options = { temperature: 0.6, temperatureIncrement: 0, bestOf: 1 };
    const [without, given] = [await theirs(path, options), await theirs(path, { ...options, prompt })];
    expect(given.segments).toEqual(without.segments);
    const [mine, none] = [await ours(path, { ...options, prompt }), await ours(path, options)];
    expect(logprobsOf(mine)).not.toEqual(logprobsOf(none));
  });

  test("stands before the last five seconds too", async () => {
    const path = await wav("last-seconds", [["en-segments.wav", 30], "en-digits.wav"]);
    const unconditioned = { conditionOnPreviousText: false };
    const last = (segments: readonly Said[]) => logprobsOf(segments.slice(-1));
    const [carried, alone] = [await theirs(path), await theirs(path, unconditioned)];
    expect(textOf(carried.segments.slice(-1))).toBe(" One two three four five.");
    expect(last(carried.segments)).toEqual(last(alone.segments));
    const [mine, mineAlone] = [await ours(path), await ours(path, unconditioned)];
    expect(textOf(mine.slice(-1))).toBe(" One two three four five.");
    expect(last(mine)).not.toEqual(last(mineAlone));
  });

  test("that is carried leaves the text of all windows before, not of one", async () => {
    // two recordings that differ in the first of three windows, by the order of what is said there
    const [one, other] = ["en-digits.wav", "en-question.wav"];
    const windows = (name: string, first: string, second: string) =>
      wav(name, [
        [first, 15],
        [second, 15],
        ["en-sentence.wav", 30],
        ["en-segments.wav", 14],
      ]);
    const paths = [await windows("carried", one, other), await windows("carried-too", other, one)];
    const last = (segments: readonly Said[]) =>
      logprobsOf(segments.filter(({ startMs }) => startMs >= 60_000));
    const options = { prompt, carryPrompt: true };
    const [their, theirToo] = await Promise.all(
      paths.map(async (path) => (await theirs(path, options)).segments),
    );
    expect(textOf(their ?? [])).not.toBe(textOf(theirToo ?? []));
    expect(last(their ?? [])).toEqual(last(theirToo ?? []));
    const [mine, mineToo] = [await ours(paths[0] ?? "", options), await ours(paths[1] ?? "", options)];
    expect(last(mine).length).toBeGreaterThan(0);
    expect(last(mine)).not.toEqual(last(mineToo));
  });
});
