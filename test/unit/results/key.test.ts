import { expect, test } from "bun:test";
import { defaultOptions, isReproducible, type Options, seedOf } from "../../../src/core/options.ts";
import { resultKey, type Weights } from "../../../src/results/key.ts";

const weights: Weights = { model: "model", vad: "vad" };
const keyOf = (options: Partial<Options> = {}, sha256 = "audio", on = weights) =>
  resultKey(sha256, { ...defaultOptions, ...options }, on);

test("the same request has the same key, in whatever order its options were written", () => {
  const reversed = Object.fromEntries(Object.entries(defaultOptions).reverse()) as unknown as Options;
  expect(keyOf()).toMatch(/^[0-9a-f]{64}$/);
  expect(resultKey("audio", reversed, weights)).toBe(keyOf());
});

test("any other option, recording or model has another key", () => {
  const others = Object.entries(defaultOptions).map(([name, value]) => {
    if (typeof value === "boolean") return keyOf({ [name]: !value });
    if (typeof value === "number") return keyOf({ [name]: value + 1 });
    return keyOf({ [name]: `${value} and more` });
  });
  const another = { ...weights, model: "another" };
  const keys = [keyOf(), ...others, keyOf({}, "other audio"), keyOf({}, "audio", another)];
  expect(new Set(keys).size).toBe(Object.keys(defaultOptions).length + 3);
});

test("the weights of voice activity detection count where it is used", () => {
  const another = { ...weights, vad: "another" };
  expect(keyOf({}, "audio", another)).toBe(keyOf());
  expect(keyOf({ vad: true }, "audio", another)).not.toBe(keyOf({ vad: true }));
});

test("without a seed, temperature 0 has seed 0, and others are not reproducible", () => {
  expect(keyOf({ seed: 0 })).toBe(keyOf({ seed: null }));
  expect(isReproducible({ ...defaultOptions, temperature: 0.2 })).toBe(false);
  expect(isReproducible({ ...defaultOptions, temperature: 0.2, seed: 0 })).toBe(true);
  const drawn = Array.from({ length: 20 }, () => seedOf({ ...defaultOptions, temperature: 0.2 }));
  expect(new Set(drawn).size).toBeGreaterThan(1);
  for (const seed of drawn) expect(seed).toBeWithin(0, 2 ** 31);
});
