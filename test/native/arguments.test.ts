/** Misuse: every call but run() with wrong, missing and foreign arguments says what was expected and what it got. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Model, native, type Pcm } from "../../src/native.ts";
import { decodeFixture, decodeOptions, modelOptions, openModel, runOptions, start } from "./harness.ts";
import { loose, received, throws } from "./misuse.ts";

let model: Model;
let pcm: Pcm;

beforeAll(async () => {
  model = await openModel();
  pcm = await decodeFixture("en-digits.wav");
});
afterAll(() => model.close());

describe("setLog()", () => {
  test.each([[undefined], [1], ["stderr"], [{}]])("refuses %p", (value) => {
    throws(
      () => loose(native.setLog)(value),
      TypeError,
      `Expected a function for sink but received ${received(value)}`,
    );
  });
});

describe("pcm()", () => {
  test.each([
    [undefined],
    [null],
    [[0, 1]],
    [new ArrayBuffer(8)],
    [new Float64Array(8)],
    [new Int16Array(8)],
  ])("refuses %p", (value) => {
    throws(
      () => loose(native.pcm)(value),
      TypeError,
      `Expected a Float32Array for samples but received ${received(value)}`,
    );
  });

  test("takes no samples at all, which then are too few to run", async () => {
    const empty = native.pcm(new Float32Array());
    expect(empty).toMatchObject({ samples: 0, durationMs: 0, channels: 1 });
    const events = await start(model, empty).ended;
    expect(["done", "error"]).toContain(events.at(-1)?.type ?? "");
  });

  test("takes samples that are no numbers, as silence", async () => {
    const broken = native.pcm(new Float32Array(16_000).fill(Number.NaN));
    const events = await start(model, broken).ended;
    expect(events.at(-1)).toMatchObject({ type: "done" });
    const loud = native.pcm(new Float32Array(16_000).fill(Number.POSITIVE_INFINITY));
    expect((await start(model, loud).ended).at(-1)).toMatchObject({ type: "done" });
  });
});

describe("decode()", () => {
  test.each([[undefined], [null], [1], [{}], [new ArrayBuffer(8)], [new Float32Array(8)]])(
    "refuses %p as a source",
    (value) => {
      throws(
        () => loose(native.decode)(value, decodeOptions),
        TypeError,
        `Expected a path or a Uint8Array for source but received ${received(value)}`,
      );
    },
  );

  test.each([[undefined], [null], [1], ["split"], [() => {}]])("refuses %p as options", (value) => {
    throws(
      () => loose(native.decode)("a.wav", value),
      TypeError,
      `Expected an object for options but received ${received(value)}`,
    );
  });

  test.each([
    ["splitChannels", undefined, TypeError, "a boolean"],
    ["splitChannels", 1, TypeError, "a boolean"],
    ["maxChannels", undefined, TypeError, "a number from 1 to 64"],
    ["maxChannels", 0, RangeError, "a number from 1 to 64"],
    ["maxChannels", 65, RangeError, "a number from 1 to 64"],
    ["maxChannels", 1.5, RangeError, "an integer"],
    ["maxDurationMs", "1", TypeError, "a number from 1 to 604800000"],
    ["maxDurationMs", 0, RangeError, "a number from 1 to 604800000"],
    ["maxDurationMs", Number.NaN, RangeError, "a number from 1 to 604800000"],
  ])("refuses %s: %p", (key, value, type, expected) => {
    throws(
      () => loose(native.decode)("a.wav", { ...decodeOptions, [key]: value }),
      type,
      `Expected ${expected} for ${key} but received ${received(value)}`,
    );
  });
});

describe("loadModel()", () => {
  test.each([[undefined], [null], [1], [new Uint8Array(4)]])("refuses %p as a path", (value) => {
    throws(
      () => loose(native.loadModel)(value, modelOptions),
      TypeError,
      `Expected a string for path but received ${received(value)}`,
    );
  });

  test.each([
    ["gpu", undefined, TypeError, "a number from -1 to 255"],
    ["gpu", -2, RangeError, "a number from -1 to 255"],
    ["gpu", 0.5, RangeError, "an integer"],
    ["threads", "2", TypeError, "a number from 1 to 512"],
    ["threads", 0, RangeError, "a number from 1 to 512"],
    ["slots", undefined, TypeError, "a number from 1 to 512"],
    ["slots", 513, RangeError, "a number from 1 to 512"],
    ["slots", 1.5, RangeError, "an integer"],
    ["kernels", "yes", TypeError, "a boolean"],
    ["slotsBytes", -1, RangeError, "a number from 0 to 1125899906842624"],
    ["slotsBytes", Number.NaN, RangeError, "a number from 0 to 1125899906842624"],
  ])("refuses %s: %p", (key, value, type, expected) => {
    throws(
      () => loose(native.loadModel)("a.bin", { ...modelOptions, [key]: value }),
      type,
      `Expected ${expected} for ${key} but received ${received(value)}`,
    );
  });

  test("refuses to go without options", () => {
    throws(
      () => loose(native.loadModel)("a.bin"),
      TypeError,
      "Expected an object for options but received undefined of type undefined",
    );
  });
});

describe("channel()", () => {
  test.each([
    [undefined, TypeError],
    ["0", TypeError],
    [1, RangeError],
    [-1, RangeError],
  ])("refuses %p", (value, type) => {
    throws(
      () => loose(pcm.channel)(value),
      type,
      `Expected a number from 0 to 0 for index but received ${received(value)}`,
    );
  });
});

test("calls work whatever `this` is", async () => {
  const { run, close } = await openModel();
  const { channel } = pcm;
  expect(channel.call({}, 0).samples).toBe(pcm.samples);
  const ended = Promise.withResolvers<string>();
  run.call(new Map(), pcm, runOptions, ({ type }) => {
    if (type === "done" || type === "error") ended.resolve(type);
  });
  expect(await ended.promise).toBe("done");
  await close.call(null);
});

test("the objects that the addon gives cannot be changed", () => {
  expect(Object.isFrozen(pcm)).toBe(true);
  expect(Object.isFrozen(model)).toBe(true);
  expect(() => loose(Object.assign)(pcm, { samples: 1e9 })).toThrow(TypeError);
});

test("a getter that closes the model is too late for a run", async () => {
  const other = await openModel();
  const trap = {
    ...runOptions,
    get language(): string {
      other.close();
      return "en";
    },
  };
  expect(() => other.run(pcm, trap, () => {})).toThrow("The model is closed");
});

test("a getter that throws is heard, and nothing was started", async () => {
  const trap = {
    ...runOptions,
    get bestOf(): number {
      throw new Error("from the getter");
    },
  };
  expect(() => model.run(pcm, trap, () => {})).toThrow("from the getter");
  const other = await openModel();
  expect(() => other.run(pcm, trap, () => {})).toThrow("from the getter");
  await other.close(); // would wait for a run
});
