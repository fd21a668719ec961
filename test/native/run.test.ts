/** One execution: its events, its end, and whose life depends on whose. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Model, type NativeError, native, type Pcm, type RunEvent } from "../../src/native.ts";
import { needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import {
  decodeFixture,
  isTerminal,
  modelOptions,
  openModel,
  rejection,
  runOptions,
  segmentsOf,
  start,
  textOf,
  transcribe,
} from "./harness.ts";

setDefaultTimeout(60_000);

let model: Model;
let short: Pcm;
let long: Pcm;

beforeAll(async () => {
  model = await openModel();
  short = await decodeFixture("en-digits.wav");
  long = await decodeFixture("en-long-95s.mp3");
});
afterAll(() => model.close());

const codeOf = (event: RunEvent | undefined) => (event?.type === "error" ? event.code : event?.type);

/** What a call throws. Fails when it does not. */
function thrownBy(call: () => unknown): NativeError {
  try {
    call();
  } catch (error) {
    return error as NativeError;
  }
  throw new Error("Expected the call to throw");
}

describe("events", () => {
  test("come in order: segments as they are decoded, progress behind them, one terminal event last", async () => {
    const execution = start(model, long);
    const events = await execution.ended;
    const segments = segmentsOf(events);
    expect(textOf(events)).toBe(recording("en-long-95s.mp3").model_output.transcribe);
    expect(segments.map(({ id }) => id)).toEqual(segments.map((_, index) => index));
    for (const [index, segment] of segments.entries()) {
      expect(segment.startMs).toBeGreaterThanOrEqual(segments[index - 1]?.endMs ?? 0);
    }
    const progress = events.flatMap((event) => (event.type === "progress" ? [event] : []));
    expect(progress.length).toBeGreaterThanOrEqual(4); // 95 s are four windows
    expect(progress.map(({ doneMs }) => doneMs)).toEqual(
      progress.map(({ doneMs }) => doneMs).toSorted((a, b) => a - b),
    );
    expect(new Set(progress.map(({ totalMs }) => totalMs))).toEqual(new Set([long.durationMs]));
    expect(progress.at(-1)?.doneMs).toBe(long.durationMs);
    expect(events.findIndex(isTerminal)).toBe(events.length - 1);
    const firstProgress = events.findIndex(({ type }) => type === "progress");
    expect(events.findIndex(({ type }) => type === "segment")).toBeLessThan(firstProgress);
  });

  test("do not come from within run() itself", () => {
    const { run, events } = start(model, short);
    expect(events).toEqual([]);
    run.cancel();
  });

  test("tell nothing but the end for a recording of silence", async () => {
    const silence = await decodeFixture("silence.wav");
    const events = await transcribe(model, silence);
    expect(segmentsOf(events)).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: "done" });
  });
});

describe("cancel()", () => {
  test("before the run has begun ends it with the code cancelled", async () => {
    const { run, ended } = start(model, short);
    run.cancel();
    const events = await ended;
    expect(events.map(codeOf)).toEqual(["cancelled"]);
  });

  test("between two windows ends it: what was said stays, nothing follows", async () => {
    const ended = Promise.withResolvers<readonly RunEvent[]>();
    const execution = start(model, long, {}, (event) => {
      if (event.type === "segment") execution.run.cancel();
      if (isTerminal(event)) ended.resolve(execution.events);
    });
    const events = await ended.promise;
    expect(codeOf(events.at(-1))).toBe("cancelled");
    expect(segmentsOf(events).length).toBeGreaterThan(0);
    expect(segmentsOf(events).length).toBeLessThan(recording("en-long-95s.mp3").model_output.segments.length);
  });

  test("may be called twice, and after the end", async () => {
    const { run, ended, events } = start(model, short);
    run.cancel();
    expect(run.cancel() as unknown).toBeUndefined();
    await ended;
    run.cancel();
    const done = start(model, short);
    await done.ended;
    done.run.cancel();
    await transcribe(model, short);
    expect(events.map(codeOf)).toEqual(["cancelled"]);
    expect(done.events.filter(isTerminal).map(codeOf)).toEqual(["done"]);
  });

  test("frees a run that waits for its slot", async () => {
    const first = start(model, long);
    const waiting = start(model, short);
    waiting.run.cancel();
    expect((await waiting.ended).map(codeOf)).toEqual(["cancelled"]);
    expect(first.events.some(isTerminal)).toBe(false);
    first.run.cancel();
    await first.ended;
  });

  test("of one run does not disturb another", async () => {
    const kept = start(model, short);
    const cancelled = start(model, short);
    cancelled.run.cancel();
    expect(textOf(await kept.ended)).toBe("One two three four five.");
  });

  test("of a job rejects its result, once and for all", async () => {
    const job = native.loadModel("models/demo.bin", modelOptions);
    job.cancel();
    job.cancel();
    expect(await rejection(job)).toMatchObject({ name: "Error", code: "cancelled" });
    job.cancel();
  });
});

describe("close()", () => {
  test("of a model lets a run end first, and refuses new ones at once", async () => {
    const closing = await openModel();
    const execution = start(closing, short);
    let closed = false;
    const close = closing.close().then(() => {
      closed = true;
    });
    const thrown = thrownBy(() => closing.run(short, runOptions, () => {}));
    expect(thrown).toMatchObject({ name: "Error", code: "closed", message: "The model is closed" });
    expect(textOf(await execution.ended)).toBe("One two three four five.");
    await close;
    expect(closed).toBe(true);
  });

  test("of a model resolves after the terminal event, whoever called it how often", async () => {
    const closing = await openModel();
    const order: string[] = [];
    start(closing, short, {}, (event) => {
      if (isTerminal(event)) order.push("end");
    });
    await Promise.all([
      closing.close().then(() => order.push("closed")),
      closing.close().then(() => order.push("closed")),
    ]);
    expect(order).toEqual(["end", "closed", "closed"]);
  });

  test("of a Pcm refuses it to new runs and to channel()", async () => {
    const pcm = await decodeFixture("en-digits.wav");
    pcm.close();
    pcm.close();
    expect(thrownBy(() => model.run(pcm, runOptions, () => {}))).toMatchObject({
      code: "closed",
      message: "The Pcm is closed",
    });
    expect(thrownBy(() => pcm.channel(0))).toMatchObject({ code: "closed" });
    expect(pcm.durationMs).toBe(2745);
  });

  test("of a Pcm while a run reads it leaves the run its samples", async () => {
    const pcm = await decodeFixture("en-digits.wav");
    const execution = start(model, pcm);
    pcm.close();
    Bun.gc(true);
    expect(textOf(await execution.ended)).toBe("One two three four five.");
  });
});

test("a run keeps model, samples and listener alive when nobody else does", async () => {
  const ended = Promise.withResolvers<string>();
  const pieces: string[] = [];
  await (async () => {
    const lonely = await openModel();
    lonely.run(await decodeFixture("en-digits.wav"), runOptions, (event) => {
      if (event.type === "segment") pieces.push(event.segment.text);
      if (isTerminal(event)) ended.resolve(event.type);
    });
  })();
  for (let round = 0; round < 5; round += 1) {
    Bun.gc(true);
    await Bun.sleep(1);
  }
  expect(await ended.promise).toBe("done");
  expect(pieces.join("").trim()).toBe("One two three four five.");
});

test("eight runs on one copy of the weights all say the same", async () => {
  const weights = await openModel();
  const before = process.memoryUsage.rss();
  const all = await Promise.all(Array.from({ length: 8 }, () => transcribe(weights, short)));
  const grownBytes = process.memoryUsage.rss() - before;
  expect(new Set(all.map(textOf))).toEqual(new Set(["One two three four five."]));
  // of a slot, cells of tokens that were never decoded are never touched
  expect(grownBytes).toBeLessThan(8 * weights.bytesPerSlot + weights.bytes);
  await weights.close();
});

describe("options", () => {
  const texts = (events: readonly RunEvent[]) => segmentsOf(events).map(({ text }) => text.trim());

  test("task translate writes English", async () => {
    const pcm = await decodeFixture("zh-segments.wav");
    const events = await transcribe(model, pcm, { language: "zh", task: "translate" });
    expect(textOf(events)).toBe(recording("zh-segments.wav").model_output.translate);
  });

  test.each(["de", "es", "fr", "ru"])("language auto recognises %s", async (code) => {
    const pcm = await decodeFixture(`${code}-digits.wav`);
    const events = await transcribe(model, pcm, { language: "auto" });
    expect(events.at(-1)).toMatchObject({ type: "done", language: code });
    expect(textOf(events)).toBe(recording(`${code}-digits.wav`).text);
  });

  test("offsetMs and durationMs choose a part, with times of the whole recording", async () => {
    const pcm = await decodeFixture("en-segments.wav");
    const whole = recording("en-segments.wav").segments;
    const [, second, third, last] = whole;
    const offsetMs = Math.round(((second?.end ?? 0) + (third?.start ?? 0)) * 500);
    const durationMs = Math.round(((third?.end ?? 0) + (last?.start ?? 0)) * 500) - offsetMs;
    const events = await transcribe(model, pcm, { offsetMs, durationMs });
    expect(texts(events)).toEqual(["Set a timer for twenty five minutes."]);
    const [segment] = segmentsOf(events);
    expect(segment?.startMs).toBeGreaterThan((third?.start ?? 0) * 1000 - 300);
    expect(segment?.endMs).toBeLessThan((third?.end ?? 0) * 1000 + 300);
    expect(events.findLast((event) => event.type === "progress")).toMatchObject({
      doneMs: durationMs,
      totalMs: durationMs,
    });
  });

  test("an offset behind the end gives no text", async () => {
    const events = await transcribe(model, short, { offsetMs: 60_000 });
    expect(segmentsOf(events)).toEqual([]);
    expect(events.at(-1)).toMatchObject({ type: "done", language: "en" });
  });

  test("timestamps: false makes one segment of a window", async () => {
    const pcm = await decodeFixture("en-segments.wav");
    const events = await transcribe(model, pcm, { timestamps: false });
    expect(segmentsOf(events)).toHaveLength(1);
    expect(textOf(events)).toBe(recording("en-segments.wav").text);
  });

  test("beams, candidates at a temperature and a prompt leave clear speech as it is", async () => {
    for (const options of [
      { beamSize: 5 },
      { temperature: 0.2, bestOf: 3 },
      { prompt: "A list of numbers, zwölf 零 and others:", carryPrompt: true },
      { conditionOnPreviousText: false },
      { suppressNonSpeech: true, suppressBlank: false },
    ]) {
      expect(textOf(await transcribe(model, short, options))).toBe("One two three four five.");
    }
  });

  test("an attempt that fails is made again, up to temperature 1", async () => {
    for (const threshold of [{ logprobThreshold: 0 }, { compressionRatioThreshold: 0 }]) {
      const never = { ...threshold, noSpeechThreshold: 1 };
      const [segment] = segmentsOf(await transcribe(model, short, { ...never, temperatureIncrement: 0.4 }));
      expect(segment?.temperature).toBeCloseTo(0.8, 5);
      const [only] = segmentsOf(await transcribe(model, short, { ...never, temperatureIncrement: 0 }));
      expect(only?.temperature).toBe(0);
    }
  });

  test("a silent window has no text, and needs no second attempt", async () => {
    const silent = { noSpeechThreshold: 0, logprobThreshold: 0 };
    expect(segmentsOf(await transcribe(model, short, silent))).toEqual([]);
  });

  test("sampling gives the same text every time", async () => {
    const noisy = await decodeFixture("en-segments.wav");
    const sampled = { temperature: 1, temperatureIncrement: 0, bestOf: 2 };
    const [first, second] = [
      await transcribe(model, noisy, sampled),
      await transcribe(model, noisy, sampled),
    ];
    expect(segmentsOf(first)).toEqual(segmentsOf(second));
  });

  test("detecting the language costs no second pass of the encoder", async () => {
    const least = { auto: Number.POSITIVE_INFINITY, en: Number.POSITIVE_INFINITY };
    // the encoder is most of the work on a short clip: twice it would be far above, however often it is tried
    for (let tries = 0; tries < 30 && !(least.auto / least.en < 1.4); tries += 1) {
      for (const language of ["auto", "en"] as const) {
        const end = (await transcribe(model, short, { language })).at(-1);
        if (end?.type === "done") least[language] = Math.min(least[language], end.computeMs);
      }
    }
    expect(least.auto / least.en).toBeLessThan(1.4);
  });

  test("a segment carries both of its timestamps, and the averages of its window", async () => {
    const segments = segmentsOf(await transcribe(model, await decodeFixture("en-segments.wav")));
    expect(segments.length).toBeGreaterThan(2);
    for (const { tokens, startMs, endMs, seek, avgLogprob } of segments) {
      const timeOf = (id = 0) => seek * 10 + (id - 50364) * 20;
      expect([timeOf(tokens[0]?.id), timeOf(tokens.at(-1)?.id)]).toEqual([startMs, endMs]);
      expect(avgLogprob).toBe(segments[0]?.avgLogprob ?? Number.NaN);
    }
  });

  test.skipIf(vadModel === null)(
    `vad transcribes speech only, with times of the recording (${needsVadModel})`,
    async () => {
      const pcm = await decodeFixture("en-segments.wav");
      const events = await transcribe(model, pcm, { vad: true, vadModel: vadModel ?? "" });
      const { segments, text } = recording("en-segments.wav");
      expect(textOf(events)).toBe(text);
      for (const [index, { startMs, endMs }] of segmentsOf(events).entries()) {
        expect(Math.abs(startMs - (segments[index]?.start ?? 0) * 1000)).toBeLessThan(300);
        expect(Math.abs(endMs - (segments[index]?.end ?? 0) * 1000)).toBeLessThan(300);
      }
      const silence = await decodeFixture("silence.wav");
      expect(segmentsOf(await transcribe(model, silence, { vad: true, vadModel: vadModel ?? "" }))).toEqual(
        [],
      );
    },
  );
});
