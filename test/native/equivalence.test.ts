/**
 * What we say is what whisper_full says: the same weights, samples and options, with whisper.cpp's attention that is not
 * "flash" (see departures.test.ts, where everything that we do otherwise on purpose has its test).
 *
 * Compared: the text and its tokens; the times of the segments; the log-probability of each text token and of the timestamp
 * that ends a segment. whisper.cpp gives a timestamp's log-probability among all that its rules allow, text included; ours,
 * as OpenAI's, is among timestamps alone where only a timestamp may come. `plog - log(ptsum)` is that.
 *
 * A timestamp may be one step of 20 ms off: neighbours are often nearly as probable.
 *
 * whisper.cpp begins a window at the start of the next segment, OpenAI and we at the end of the last one. In windows that
 * begin elsewhere the same words have other log-probabilities and may have other times. And it takes the loudest of the whole recording as the measure of all
 * windows, we the loudest so far: in recordings of several windows the log-probabilities of timestamps are not compared.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { readModel, writeModel } from "../../bench/ggml.ts";
import { type Model, native, type RunOptions } from "../../src/native.ts";
import {
  demoModel,
  moreRecordings,
  needsMoreRecordings,
  needsVadModel,
  type Recording,
  recordings,
  vadModel,
} from "../fixtures/index.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { decode, modelOptions, openModel, runOptions, segmentsOf, transcribe } from "./harness.ts";
import { asReference, type ReferenceResult, reference } from "./reference.ts";

setDefaultTimeout(300_000);

const timestampBegin = 50364;
const endOfText = 50257;
/** Of log-probabilities. */
const largestDifference = 0.02;
/**
 * ggml rounds what it multiplies q8_0 weights with to 8 bits, we do not. It shows in the timestamps, of which neighbours are nearly
 * as probable; with f16 weights there is no difference.
 */
const largestRoundedDifference = 0.1;
const stepMs = 20;
/** By how much times may differ in windows that do not begin at the same place. */
const otherWindowMs = 100;

interface OptionSet {
  readonly name: string;
  readonly options: Partial<RunOptions>;
  /** Without it: those of `varied`. */
  readonly of?: (recording: Recording) => boolean;
  /** "text": for draws of random numbers, of which whisper.cpp has others. */
  readonly compared?: "text";
  /** Without timestamps whisper.cpp's segments have no times. */
  readonly untimed?: true;
}

/** Ten minutes: half of the time that everything else takes. */
const isLongest = ({ duration }: Recording) => duration > 500;
const isShort = ({ duration }: Recording) => duration < 30;
/** One of each language and kind of sound: what is left out is more of the same. With EQUIVALENCE=all nothing is, but the ten minutes in all sets but two. */
const varied = (recording: Recording) =>
  (Bun.env.EQUIVALENCE === "all" && !isLongest(recording)) ||
  /^(de-digits|en-digits|en-late|en-long-95s|en-noisy|en-numbers|en-segments\.wav|en-two-speakers|es-digits|fr-digits\.|noise|ru-segments|silence|zh-segments)/.test(
    recording.name,
  );

const everything = (recording: Recording) => Bun.env.EQUIVALENCE === "all" || !isLongest(recording);

const sets: readonly OptionSet[] = [
  { name: "greedy, given language", options: {}, of: everything },
  { name: "five beams, detected language", options: { language: "auto", beamSize: 5 }, of: everything },
  { name: "a wrong language", options: { language: "de" } },
  { name: "translation", options: { task: "translate" } },
  { name: "a prompt", options: { prompt: "Good morning. Call Anna." } },
  { name: "a prompt before every window", options: { prompt: "Good morning.", carryPrompt: true } },
  {
    name: "no text carried on",
    options: { conditionOnPreviousText: false },
    // a recording of one window has none to carry
    of: ({ duration }) => duration > 30 && duration < 500,
  },
  { name: "no timestamps", options: { timestamps: false }, untimed: true },
  { name: "word times", options: { wordTimes: true } },
  {
    name: "the best of five candidates",
    options: { temperature: 0.4, temperatureIncrement: 0, bestOf: 5 },
    compared: "text",
  },
  {
    name: "attempts that fail up to temperature 1",
    options: { logprobThreshold: 0, noSpeechThreshold: 1, temperatureIncrement: 0.5 },
    of: (recording) => varied(recording) && isShort(recording),
    compared: "text",
  },
  { name: "speech alone", options: { vad: true, vadModel: vadModel ?? "" } },
];

/** The bundled weights, and the same ones in f16. */
const folder = folderForAllTests();
const halfPath = () => join(folder.path, "half.bin");
let model: Model;
let half: Model;
beforeAll(async () => {
  await writeModel(halfPath(), await readModel(demoModel));
  [model, half] = await Promise.all([openModel(), native.loadModel(halfPath(), modelOptions).result]);
});
afterAll(async () => {
  await Promise.all([model.close(), half.close()]);
});

async function ourSegments(model: Model, { path }: Recording, options: Partial<RunOptions>) {
  const pcm = await decode(path);
  const events = await transcribe(model, pcm, options);
  pcm.close();
  const end = events.at(-1);
  if (end?.type !== "done") throw new Error(`${path}: ${JSON.stringify(end)}`);
  return { language: end.language, segments: segmentsOf(events) };
}
type Ours = Awaited<ReturnType<typeof ourSegments>>;

const isText = (id: number) => id < endOfText;
/** Where the window of a segment begins, told by the timestamp that ends it. */
const windowMs = (endMs: number, id: number) => endMs - (id - timestampBegin) * stepMs;

/** How the two differ, one line each. */
function differences(
  { options, compared, untimed }: OptionSet,
  ours: Ours,
  theirs: ReferenceResult,
  largestTimestampDifference: number,
): string[] {
  const found: string[] = [];
  const isLong = ours.segments.some(({ seek }) => seek > 0);
  const same = (what: string, mine: unknown, other: unknown) => {
    if (!Bun.deepEquals(mine, other))
      found.push(`${what}: ${JSON.stringify(mine)}, not ${JSON.stringify(other)}`);
  };
  const close = (what: string, mine: number, other: number, most: number) => {
    if (!(Math.abs(mine - other) <= most)) found.push(`${what}: ${mine}, not ${other}`);
  };
  same("language", ours.language, theirs.language);
  const texts = (segments: readonly { text: string }[]) => segments.map(({ text }) => text);
  same("text", texts(ours.segments), texts(theirs.segments));
  if (found.length > 0) return found;

  for (const [index, mine] of ours.segments.entries()) {
    const other = theirs.segments[index];
    if (!other) break;
    const [myText, otherText] = [
      mine.tokens.filter(({ id }) => isText(id)),
      other.tokens.filter(([id]) => isText(id)),
    ];
    const ids = myText.map(({ id }) => id);
    same(
      `tokens of segment ${index}`,
      ids,
      otherText.map(([id]) => id),
    );
    const [myLast, otherLast] = [mine.tokens.at(-1), other.tokens.at(-1)];
    if (!myLast || !otherLast) continue;
    const sameWindow = untimed
      ? index === 0
      : windowMs(mine.endMs, myLast.id) === windowMs(other.endMs, otherLast[0]);
    if (!untimed) {
      const most = sameWindow && compared !== "text" && !isLong ? stepMs : otherWindowMs;
      close(`start of segment ${index}`, mine.startMs, other.startMs, most);
      close(`end of segment ${index}`, mine.endMs, other.endMs, most);
    }
    if (compared === "text" || !sameWindow) continue;
    same(`temperature of segment ${index}`, mine.temperature, options.temperature ?? 0);
    for (const [at, { id, logprob }] of myText.entries()) {
      close(`token ${at} (${id}) of segment ${index}`, logprob, otherText[at]?.[1] ?? 0, largestDifference);
    }
    if (untimed || isLong || myLast.id !== otherLast[0]) continue;
    const [, plog, ptsum] = otherLast;
    close(
      `end timestamp of segment ${index}`,
      myLast.logprob,
      plog - Math.log(ptsum),
      largestTimestampDifference,
    );
  }
  return found;
}

/** What differs, by the name of the recording. */
async function compare(
  set: OptionSet,
  chosen: readonly Recording[],
  weights: { readonly path: string; readonly model: Model; readonly timestamps: number },
): Promise<Record<string, string[]>> {
  const jobs = chosen.map((recording) => ({
    path: recording.path,
    options: { ...runOptions, language: recording.language ?? "en", ...set.options },
  }));
  const found: Record<string, string[]> = {};
  const [theirs, ours] = await Promise.all([
    reference(
      jobs.map(({ path, options }) => ({ path, options: asReference(options) })),
      weights.path,
    ),
    // one after the other: what is computed together is added up in another order
    (async () => {
      const results: Ours[] = [];
      for (const [index, recording] of chosen.entries()) {
        results.push(await ourSegments(weights.model, recording, jobs[index]?.options ?? {}));
      }
      return results;
    })(),
  ]);
  for (const [index, { name }] of chosen.entries()) {
    const [mine, other] = [ours[index], theirs[index]];
    const lines = mine && other ? differences(set, mine, other, weights.timestamps) : ["no result"];
    if (lines.length > 0) found[name] = lines;
  }
  return found;
}

describe.each([
  { where: "the recordings of this checkout", all: recordings },
  { where: `the other recordings of the whole set (${needsMoreRecordings})`, all: moreRecordings },
])("$where", ({ all }) => {
  // of the whole set only what is true of every recording: the rest is more of the same
  for (const set of all === recordings || Bun.env.EQUIVALENCE === "all" ? sets : sets.slice(0, 2)) {
    const skipped = all === null || (set.options.vad && vadModel === null);
    const name = set.options.vad ? `${set.name} (${needsVadModel})` : set.name;
    test.skipIf(skipped === true)(name, async () => {
      const weights = { path: demoModel, model, timestamps: largestRoundedDifference };
      expect(await compare(set, (all ?? []).filter(set.of ?? varied), weights)).toEqual({});
    });
  }
});

describe("with weights that nobody rounds, timestamps are as close as text", () => {
  for (const set of Bun.env.EQUIVALENCE === "all" ? sets : sets.slice(0, 1)) {
    const skipped = set.options.vad && vadModel === null;
    test.skipIf(skipped === true)(set.name, async () => {
      const weights = { path: halfPath(), model: half, timestamps: largestDifference };
      const chosen = recordings.filter((recording) => !isLongest(recording));
      expect(await compare(set, chosen.filter(varied).filter(set.of ?? varied), weights)).toEqual({});
    });
  }
});
