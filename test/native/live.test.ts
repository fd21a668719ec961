/** Audio that still comes: what is heard in it, what of it can be taken, what is kept, and how it ends. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Model, type NativeError, native } from "../../src/native.ts";
import { needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import {
  appendInPieces,
  bytesOf,
  listen,
  liveOptions,
  openModel,
  rejection,
  samplesOf,
  textOf,
  transcribe,
} from "./harness.ts";
import { inChild } from "./in-child.ts";
import { type Loose, loose, received, throws } from "./misuse.ts";
import { program } from "./reference.ts";

setDefaultTimeout(300_000);

const frame = 512;
const frameMs = 32;

/** White, the same at each call. */
function noise(samples: number, amplitude: number): Int16Array {
  let state = 1;
  return Int16Array.from({ length: samples }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state / 2 ** 31 - 1) * amplitude * 32_768;
  });
}

const mixed = (a: Int16Array, b: Int16Array) => a.map((each, index) => each + (b[index] ?? 0));

const mean = (values: readonly number[]) => values.reduce((sum, each) => sum + each, 0) / values.length;

/** All that is heard in the samples, in pieces of at most so many bytes. */
async function heardIn(samples: Int16Array, weights: string, pieces = 6400): Promise<readonly number[]> {
  const { live, probabilities, ends, heard } = listen({ vadModel: weights });
  appendInPieces(live, bytesOf(samples), pieces);
  await heard(Math.floor(samples.length / frame));
  live.close();
  expect(probabilities.every((each) => each >= 0 && each <= 1)).toBe(true);
  expect(ends.at(-1)).toBe(probabilities.length * frameMs);
  return probabilities;
}

/** Probabilities of frames that lie within speech, and of those that are at least `marginMs` away from it. */
function divided(name: string, probabilities: readonly number[], marginMs: number) {
  const { segments } = recording(name);
  const within = (index: number, margin: number) =>
    segments.some(
      ({ start, end }) =>
        index * frameMs < end * 1000 + margin && (index + 1) * frameMs > start * 1000 - margin,
    );
  return {
    speech: probabilities.filter((_, index) => within(index, 0)),
    silence: probabilities.filter((_, index) => !within(index, marginMs)),
  };
}

test("sample by sample: rates, pieces, cuts, what is forgotten, threads", async () => {
  const command = [await program("live"), ...(vadModel === null ? [] : [vadModel])];
  const { stdout, stderr, exited } = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [output, errors, code] = await Promise.all([
    new Response(stdout).text(),
    new Response(stderr).text(),
    exited,
  ]);
  expect({ output, errors, code }).toEqual({ output: "ok\n", errors: "", code: 0 });
});

describe.skipIf(vadModel === null)(`Silero (${needsVadModel})`, () => {
  const weights = vadModel ?? "";

  test("hears speech, and nothing in silence and noise", async () => {
    const { speech, silence } = divided(
      "en-segments.wav",
      await heardIn(await samplesOf("en-segments.wav"), weights),
      200,
    );
    expect(mean(speech)).toBeGreaterThan(0.8);
    expect(mean(silence)).toBeLessThan(0.2);
    expect(Math.max(...(await heardIn(await samplesOf("silence.wav"), weights)))).toBeLessThan(0.5);
    expect(Math.max(...(await heardIn(noise(80_000, 0.02), weights)))).toBeLessThan(0.5);
  });

  test("hears the same however the bytes are divided", async () => {
    const samples = await samplesOf("en-digits.wav");
    const whole = await heardIn(samples, weights, samples.byteLength);
    expect(whole).toHaveLength(Math.floor(samples.length / frame));
    for (const pieces of [1, 333, 1024, 4801]) {
      expect(await heardIn(samples, weights, pieces)).toEqual(whole as number[]);
    }
  });

  test("two at a time hear each their own", async () => {
    const digits = await samplesOf("en-digits.wav");
    const sentence = await samplesOf("en-sentence.wav");
    const alone = [await heardIn(digits, weights), await heardIn(sentence, weights)] as const;
    expect(await Promise.all([heardIn(digits, weights), heardIn(sentence, weights)])).toEqual([
      alone[0],
      alone[1],
    ]);
    expect(alone[0]).not.toEqual(alone[1]);
  });
});

describe("energy", () => {
  test("hears speech in quiet noise", async () => {
    const speech = await samplesOf("en-segments.wav");
    const heard = await heardIn(mixed(speech, noise(speech.length, 0.003)), "");
    const { speech: within, silence } = divided("en-segments.wav", heard, 350);
    expect(mean(within)).toBeGreaterThan(0.7);
    expect(mean(silence)).toBeLessThan(0.1);
  });

  test("hears speech that begins at once", async () => {
    const samples = (await samplesOf("en-digits.wav")).subarray(16 * 400, 16 * 1400);
    expect(mean((await heardIn(samples.slice(), "")).slice(0, 10))).toBeGreaterThan(0.7);
  });

  test("hears nothing in silence, an offset, and quiet noise", async () => {
    expect(Math.max(...(await heardIn(await samplesOf("silence.wav"), "")))).toBeLessThan(0.1);
    expect(Math.max(...(await heardIn(new Int16Array(80_000).fill(8000), "")).slice(1))).toBeLessThan(0.1);
    expect(Math.max(...(await heardIn(noise(80_000, 0.002), "")))).toBeLessThan(0.2);
  });

  test("takes noise that stays for what it is after four seconds", async () => {
    const heard = await heardIn(noise(16_000 * 8, 0.05), "");
    expect(Math.min(...heard.slice(2, 120))).toBeGreaterThan(0.5);
    expect(Math.max(...heard.slice(130))).toBeLessThan(0.1);
  });
});

describe("pcm()", () => {
  let model: Model;
  beforeAll(async () => {
    model = await openModel();
  });
  afterAll(() => model.close());

  test.each([
    ["en-digits.wav", 16_000],
    ["en-48k-stereo.wav", 48_000],
  ])("of %s can be transcribed", async (name, rate) => {
    const { live } = listen({ rate });
    appendInPieces(live, bytesOf(await samplesOf(name)), 9601);
    const pcm = await live.pcm(0, live.appendedMs);
    live.close();
    expect(textOf(await transcribe(model, pcm))).toBe(recording(name).text);
  });

  test("takes what lies between two times, as far as it was appended", async () => {
    const { live } = listen();
    live.append(new Uint8Array(32_000));
    expect(live.appendedMs).toBe(1000);
    const durations = async (...ranges: readonly (readonly [number, number])[]) =>
      (await Promise.all(ranges.map(([from, to]) => live.pcm(from, to)))).map((pcm) => pcm.durationMs);
    expect(await durations([0, 1000], [250, 750], [900, 5000], [1000, 1000], [3000, 4000])).toEqual([
      1000, 500, 100, 0, 0,
    ]);
    const early = live.pcm(500, 5000);
    live.append(new Uint8Array(32_000));
    expect((await early).durationMs).toBe(500);
    expect(await durations([500, 5000])).toEqual([1500]);
    expect(await live.pcm(0, 100)).toMatchObject({ channels: 1, samples: 1600, format: "pcm_s16le" });
    live.close();
  });

  test("lacks 3.2 ms at most where the rate is another", async () => {
    for (const rate of [8000, 24_000, 44_100, 96_000]) {
      const { live } = listen({ rate });
      live.append(new Uint8Array(2 * rate));
      const { samples } = await live.pcm(0, live.appendedMs);
      live.close();
      expect(samples).toBeLessThanOrEqual(16_000);
      expect(samples).toBeGreaterThanOrEqual(16_000 - 52);
    }
  });

  test("gives what was asked for before it was forgotten, and keeps it", async () => {
    const { live } = listen();
    live.append(bytesOf(await samplesOf("en-digits.wav")));
    const asked = live.pcm(0, live.appendedMs);
    live.forget(live.appendedMs);
    live.close();
    const outcome = await asked.catch((error: NativeError) => error.code);
    expect(outcome === "closed" || typeof outcome === "object").toBe(true);

    const again = listen().live;
    again.append(bytesOf(await samplesOf("en-digits.wav")));
    const taken = again.pcm(0, again.appendedMs);
    again.forget(again.appendedMs);
    const pcm = await taken;
    again.close();
    expect(textOf(await transcribe(model, pcm))).toBe(recording("en-digits.wav").text);
  });

  test("refuses what was forgotten", async () => {
    const { live } = listen();
    live.append(new Uint8Array(64_000));
    live.forget(1500);
    live.forget(700);
    throws(
      () => live.pcm(1499, 1600),
      RangeError,
      "Expected a number from 1500 to 604800000 for fromMs but received 1499 of type number",
    );
    expect((await live.pcm(1500, 2000)).durationMs).toBe(500);
    live.forget(1e6);
    live.append(new Uint8Array(32_000));
    expect((await live.pcm(2000, 3000)).durationMs).toBe(1000);
    live.close();
  });
});

describe("append()", () => {
  test("an odd byte waits for its other half", () => {
    const { live } = listen({ rate: 8000 });
    const bytes = new Uint8Array(8000);
    for (const [size, appended] of [
      [1, 0],
      [15, 1],
      [1, 1],
      [0, 1],
      [15, 2],
      [7999, 501],
    ] as const) {
      live.append(bytes.subarray(0, size));
      expect(live.appendedMs).toBe(appended);
    }
    live.close();
  });

  test("copies: what becomes of the bytes afterwards does not matter", async () => {
    const bytes = bytesOf(await samplesOf("en-digits.wav")).slice();
    const undisturbed = await heardIn(new Int16Array(bytes.buffer.slice()), "");
    const { live, probabilities, heard } = listen();
    live.append(bytes);
    bytes.fill(0);
    await heard(undisturbed.length);
    live.close();
    expect(probabilities).toEqual(undisturbed);
  });

  test("takes as much as may be kept, and more when some was forgotten", async () => {
    const { live, heard } = listen({ maxBufferedMs: 1000 });
    const full = "Expected bytes for which there is room but received 32 more than maxBufferedMs allows";
    for (let seconds = 1; seconds <= 5; seconds += 1) {
      live.append(new Uint8Array(32_000));
      throws(() => live.append(new Uint8Array(32)), RangeError, full);
      expect(live.appendedMs).toBe(1000 * seconds);
      await heard(Math.floor((1000 * seconds) / frameMs));
      throws(() => live.append(new Uint8Array(32)), RangeError, full);
      live.forget(1000 * seconds);
    }
    live.close();
  });

  test("what was forgotten and waits for the thread counts", async () => {
    const { live } = listen({ maxBufferedMs: 60_000 });
    let refused = false;
    // 16 hours: far more than is judged while it is appended
    for (let minutes = 0; minutes < 1000 && !refused; minutes += 1) {
      try {
        live.append(new Uint8Array(60 * 32_000));
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        refused = true;
      }
      live.forget(live.appendedMs);
    }
    expect(refused).toBe(true);
    live.close();
  });
});

describe("close()", () => {
  const closed = expect.objectContaining({ code: "closed", message: "The Live is closed" });

  test("may come at any time, and again; nothing is called afterwards", async () => {
    for (let delay = 0; delay < 20; delay += 1) {
      let open = true;
      const { live } = listen({ vadModel: vadModel ?? "" }, () => expect(open).toBe(true));
      live.append(new Uint8Array(320_000));
      const wanted = live.pcm(0, 10_000).catch((error: unknown) => error);
      for (let turn = 0; turn < delay; turn += 1) await new Promise(setImmediate);
      live.close();
      live.close();
      open = false;
      const outcome = await wanted;
      if (outcome instanceof Error) expect(outcome).toEqual(closed);
      else expect(outcome).toMatchObject({ durationMs: 10_000 });
    }
  });

  test("within the listener is the last that is heard", async () => {
    const calls: number[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const { live } = listen({}, (_, endMs) => {
      calls.push(endMs);
      live.close();
      resolve();
    });
    appendInPieces(live, new Uint8Array(320_000), 3200);
    await promise;
    const after = listen();
    after.live.append(new Uint8Array(320_000));
    await after.heard(312);
    after.live.close();
    expect(calls).toHaveLength(1);
  });

  test("everything else throws `closed`, but appendedMs stays", () => {
    const { live } = listen();
    live.append(new Uint8Array(3200));
    live.close();
    for (const call of [
      () => live.append(new Uint8Array(2)),
      () => live.pcm(0, 100),
      () => live.forget(0),
    ] as Loose[]) {
      expect(call).toThrow(closed);
    }
    expect(live.appendedMs).toBe(100);
  });

  test("rejects what is waited for", async () => {
    const { live } = listen();
    const wanted = live.pcm(0, 0);
    live.close();
    expect(await rejection(wanted)).toEqual(closed);
  });
});

describe("threads", () => {
  test("end with close(), with collection, and with the worker that made them", async () => {
    const { code, signal, lines, stderr } = await inChild("live threads");
    expect({ code, signal, lines, stderr }).toEqual({
      code: 0,
      signal: null,
      lines: ["opened", "closed", "opened", "collected", "a worker ended"],
      stderr: "",
    });
  });

  test("process.exit() ends the process with its code while they work", async () => {
    expect(await inChild("live exit", vadModel ?? "")).toMatchObject({ code: 5, signal: null });
  });

  test("a process that closes them ends", async () => {
    expect(await inChild("live end")).toMatchObject({ code: 0, signal: null, lines: ["3000"] });
  });

  test("a listener that throws is an uncaught exception, and more is heard", async () => {
    const { code, signal, lines } = await inChild("live listener that throws");
    expect({ code, signal, lines }).toEqual({
      code: 0,
      signal: null,
      lines: ["uncaught from the listener", "uncaught from the listener"],
    });
  });

  test("what is waited for keeps an object that nobody else holds", async () => {
    let left = 50;
    const { promise, resolve } = Promise.withResolvers<void>();
    for (let live = 0; live < 50; live += 1) {
      listen({}, (_, endMs) => {
        if (endMs === 9984) left -= 1;
        if (left === 0) resolve();
      }).live.append(new Uint8Array(320_000));
    }
    const wanted = Array.from({ length: 50 }, () => {
      const { live } = listen();
      live.append(new Uint8Array(64_000));
      return live.pcm(0, 1000);
    });
    for (let turn = 0; turn < 3; turn += 1) {
      Bun.gc(true);
      await new Promise(setImmediate);
    }
    await promise;
    for (const pcm of await Promise.all(wanted)) expect(pcm.durationMs).toBe(1000);
  });
});

describe("misuse", () => {
  test.each([[undefined], [null], [1], ["live"], [() => {}]])("refuses %p as options", (value) => {
    throws(
      () => loose(native.openLive)(value, () => {}),
      TypeError,
      `Expected an object for options but received ${received(value)}`,
    );
  });

  test.each([
    ["rate", undefined, TypeError, "a number from 8000 to 96000"],
    ["rate", "16000", TypeError, "a number from 8000 to 96000"],
    ["rate", 7999, RangeError, "a number from 8000 to 96000"],
    ["rate", 96_001, RangeError, "a number from 8000 to 96000"],
    ["rate", Number.NaN, RangeError, "a number from 8000 to 96000"],
    ["rate", 16_000.5, RangeError, "an integer"],
    ["vadModel", undefined, TypeError, "a string"],
    ["vadModel", null, TypeError, "a string"],
    ["maxBufferedMs", undefined, TypeError, "a number from 1 to 604800000"],
    ["maxBufferedMs", 0, RangeError, "a number from 1 to 604800000"],
    ["maxBufferedMs", Number.POSITIVE_INFINITY, RangeError, "a number from 1 to 604800000"],
  ])("refuses %s: %p", (key, value, type, expected) => {
    throws(
      () => loose(native.openLive)({ ...liveOptions, [key]: value }, () => {}),
      type,
      `Expected ${expected} for ${key} but received ${received(value)}`,
    );
  });

  test.each([[undefined], [null], [{}]])("refuses %p as a listener", (value) => {
    throws(
      () => loose(native.openLive)(liveOptions, value),
      TypeError,
      `Expected a function for onFrames but received ${received(value)}`,
    );
  });

  test.each([
    ["missing.bin", "io"],
    ["models", "io"],
    ["package.json", "bad_model"],
    ["models/demo.bin", "bad_model"],
  ])("weights at %p are refused at the call: %s", (path, code) => {
    expect(() => native.openLive({ ...liveOptions, vadModel: path }, () => {})).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test("append(), pcm() and forget() say what they expect", () => {
    const { live } = listen();
    for (const value of [undefined, null, "bytes", [1, 2], new ArrayBuffer(2), new Int16Array(2)]) {
      throws(
        () => loose(live.append)(value),
        TypeError,
        `Expected a Uint8Array for bytes but received ${received(value)}`,
      );
    }
    const time = "a number from 0 to 604800000";
    throws(
      () => loose(live.pcm)(),
      TypeError,
      `Expected ${time} for fromMs but received undefined of type undefined`,
    );
    throws(
      () => loose(live.pcm)(-1, 5),
      RangeError,
      `Expected ${time} for fromMs but received -1 of type number`,
    );
    throws(
      () => loose(live.pcm)(0.5, 5),
      RangeError,
      "Expected an integer for fromMs but received 0.5 of type number",
    );
    throws(
      () => loose(live.pcm)(0),
      TypeError,
      `Expected ${time} for toMs but received undefined of type undefined`,
    );
    throws(
      () => loose(live.pcm)(5, 4),
      RangeError,
      "Expected a number from 5 to 604800000 for toMs but received 4 of type number",
    );
    throws(
      () => loose(live.forget)("1"),
      TypeError,
      `Expected ${time} for beforeMs but received "1" of type string`,
    );
    throws(
      () => loose(live.forget)(-1),
      RangeError,
      `Expected ${time} for beforeMs but received -1 of type number`,
    );
    expect(live.appendedMs).toBe(0);
    live.close();
  });

  test("the object has what src/native.ts describes, is frozen, and needs no `this`", async () => {
    const { live, heard } = listen();
    expect(Object.keys(live).sort()).toEqual(["append", "appendedMs", "close", "forget", "pcm"]);
    expect(Object.isFrozen(live)).toBe(true);
    expect(() => Object.assign(live, { appendedMs: 5 })).toThrow(TypeError);
    const { append, pcm, forget, close } = live;
    append.call(null, new Uint8Array(32_000));
    await heard(31);
    expect((await pcm.call(new Map(), 0, 1000)).durationMs).toBe(1000);
    forget.call({}, 500);
    close.call([]);
  });
});
