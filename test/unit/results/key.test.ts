import { expect, test } from "bun:test";
import { defaultOptions, isReproducible, type Options, seedOf } from "../../../src/core/options.ts";
import { resultKey } from "../../../src/results/key.ts";
import { FakeEngine, testModel } from "../../helpers/engine.ts";

const engine = new FakeEngine();
const keyOf = (options: Partial<Options> = {}, sha256 = "audio", on = engine) =>
  resultKey(sha256, { ...defaultOptions, ...options }, on);

test("the same request has the same key, in whatever order its options were written", async () => {
  const reversed = Object.fromEntries(Object.entries(defaultOptions).reverse()) as unknown as Options;
  expect(await keyOf()).toMatch(/^[0-9a-f]{64}$/);
  expect(await resultKey("audio", reversed, engine)).toBe(await keyOf());
});

test("any other option, recording or model has another key", async () => {
  const others = Object.entries(defaultOptions).map(([name, value]) => {
    if (typeof value === "boolean") return keyOf({ [name]: !value });
    if (typeof value === "number") return keyOf({ [name]: value + 1 });
    return keyOf({ [name]: `${value} and more` });
  });
  const another = new FakeEngine({ ...testModel, digest: Promise.resolve("another") });
  const keys = await Promise.all([keyOf(), ...others, keyOf({}, "other audio"), keyOf({}, "audio", another)]);
  expect(new Set(keys).size).toBe(Object.keys(defaultOptions).length + 3);
});

test("the weights of voice activity detection count where it is used", async () => {
  const another = new FakeEngine();
  Object.assign(another, { vadDigest: Promise.resolve("another") });
  expect(await keyOf({}, "audio", another)).toBe(await keyOf());
  expect(await keyOf({ vad: true }, "audio", another)).not.toBe(await keyOf({ vad: true }));
});

test("without a seed, temperature 0 has seed 0, and others are not reproducible", async () => {
  expect(await keyOf({ seed: 0 })).toBe(await keyOf({ seed: null }));
  expect(isReproducible({ ...defaultOptions, temperature: 0.2 })).toBe(false);
  expect(isReproducible({ ...defaultOptions, temperature: 0.2, seed: 0 })).toBe(true);
  const drawn = Array.from({ length: 20 }, () => seedOf({ ...defaultOptions, temperature: 0.2 }));
  expect(new Set(drawn).size).toBeGreaterThan(1);
  for (const seed of drawn) expect(seed).toBeWithin(0, 2 ** 31);
});
