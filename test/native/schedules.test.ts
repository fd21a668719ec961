/**
 * What else goes on does not change what a run says: random schedules of runs that start, end and are cancelled at random
 * events of one another, against the same runs alone. SCHEDULES: how many (500 take minutes); SEED: where they begin.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Model, Pcm, RunEvent, RunOptions } from "../../src/native.ts";
import { decodeFixture, type Execution, openModel, segmentsOf, start, transcribe } from "./harness.ts";

const schedules = Number(Bun.env.SCHEDULES ?? 50);
const firstSeed = Number(Bun.env.SEED ?? 1);
/** Rows that are computed together are added up in another order. */
const largestLogprobDifference = 0.02;

setDefaultTimeout(120_000 + schedules * 10_000);

const clips = ["en-digits.wav", "de-digits.wav", "zh-segments.wav", "silence.wav", "en-segments.wav"];

/** What a run may be asked for; the cheaper, the more often. */
const variants: readonly Partial<RunOptions>[] = [
  { tokenEvents: true },
  { language: "auto" },
  { beamSize: 2 },
  { beamSize: 5, language: "auto", tokenEvents: true },
  { prompt: "Good morning. Call Anna." },
  { wordTimes: true },
  { timestamps: false },
  { task: "translate", language: "de" },
  { temperature: 0.4, temperatureIncrement: 0, bestOf: 3 },
  { logprobThreshold: 0, noSpeechThreshold: 1, temperatureIncrement: 1, bestOf: 2 },
];

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let model: Model;
const pcms: Pcm[] = [];
beforeAll(async () => {
  model = await openModel({ slots: 4 });
  for (const clip of clips) pcms.push(await decodeFixture(clip));
});
afterAll(() => model.close());

const alone = new Map<string, Promise<readonly RunEvent[]>>();

/** What a run says when there is no other, computed once. Nothing else runs when it is called. */
async function saidAlone(clip: number, variant: number): Promise<readonly RunEvent[]> {
  const key = `${clip} ${variant}`;
  const pcm = pcms[clip];
  if (!pcm) throw new Error("No clip");
  const said = alone.get(key) ?? transcribe(model, pcm, variants[variant]);
  alone.set(key, said);
  return await said;
}

/** Everything but log-probabilities (and what is made of them), which go into `numbers`. */
function split(events: readonly RunEvent[]) {
  const numbers: number[] = [];
  const rest = segmentsOf(events).map(({ avgLogprob, noSpeechProb, tokens, words, ...segment }) => {
    numbers.push(avgLogprob, noSpeechProb, ...tokens.map(({ logprob }) => logprob));
    return {
      ...segment,
      tokens: tokens.map(({ id, startMs, endMs }) => ({ id, startMs, endMs })),
      words: words.map(({ text, startMs, endMs }) => ({ text, startMs, endMs })),
    };
  });
  const end = events.at(-1);
  return { rest, numbers, end: end?.type === "done" ? end.language : end };
}

interface Plan {
  readonly clip: number;
  readonly variant: number;
  readonly priority: RunOptions["priority"];
  /** Starts at the n-th event of all runs of the schedule; 0: at once. */
  readonly startsAt: number;
  /** Is cancelled at the n-th event of all; null: never. */
  readonly cancelledAt: number | null;
}

function planOf(seed: number): Plan[] {
  const next = random(seed);
  const below = (count: number) => Math.floor(next() * count);
  const skewed = (count: number) => Math.floor(next() ** 1.5 * count);
  return Array.from({ length: 2 + skewed(7) }, (_, index) => ({
    clip: skewed(clips.length),
    variant: skewed(variants.length),
    priority: (["live", "request", "batch"] as const)[below(3)] ?? "request",
    startsAt: index === 0 ? 0 : below(3 * index),
    cancelledAt: next() < 0.3 ? below(8) : null,
  }));
}

/** Carries a plan out; gives each run that was started. All runs have ended when it resolves. */
function carryOut(plans: readonly Plan[]): Promise<(Execution | undefined)[]> {
  const runs: (Execution | undefined)[] = plans.map(() => undefined);
  const finished = Promise.withResolvers<typeof runs>();
  let count = 0;
  let ended = 0;
  const step = () => {
    for (const [index, plan] of plans.entries()) {
      // when all that runs has ended, what has not come yet comes now
      const idle = ended === runs.filter((run) => run !== undefined).length;
      const pcm = pcms[plan.clip];
      if (!runs[index] && pcm && (count >= plan.startsAt || idle)) {
        const options = { ...variants[plan.variant], priority: plan.priority };
        runs[index] = start(model, pcm, options, (event) => {
          count += 1;
          if (event.type === "done" || event.type === "error") ended += 1;
          step();
        });
      }
      if (plan.cancelledAt !== null && count >= plan.cancelledAt) runs[index]?.run.cancel();
    }
    if (ended === plans.length) finished.resolve(runs);
  };
  step();
  return finished.promise;
}

test(`${schedules} random schedules say what each run says alone`, async () => {
  let completed = 0;
  let cancelled = 0;
  for (let seed = firstSeed; seed < firstSeed + schedules; seed += 1) {
    const plans = planOf(seed);
    const runs = await carryOut(plans);
    for (const [index, plan] of plans.entries()) {
      const events = runs[index]?.events ?? [];
      const where = { seed, index, plan };
      const last = events.at(-1);
      if (last?.type === "error") {
        expect({ ...where, code: last.code, wanted: plan.cancelledAt !== null }).toEqual({
          ...where,
          code: "cancelled",
          wanted: true,
        });
        cancelled += 1;
        continue;
      }
      completed += 1;
      const [together, single] = [split(events), split(await saidAlone(plan.clip, plan.variant))];
      expect({ ...where, end: together.end, segments: together.rest }).toEqual({
        ...where,
        end: single.end,
        segments: single.rest,
      });
      const differences = together.numbers.map((each, at) =>
        Math.abs(each - (single.numbers[at] ?? Number.NaN)),
      );
      expect({
        ...where,
        off: differences.filter((difference) => !(difference <= largestLogprobDifference)),
      }).toEqual({ ...where, off: [] });
    }
  }
  // they are not all of one kind
  expect(completed).toBeGreaterThan(schedules);
  expect(cancelled).toBeGreaterThan(schedules / 10);
});
