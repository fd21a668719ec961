import { expect, test } from "bun:test";
import { speechModels, vadModels } from "../../src/models/catalog.ts";

const all = [...speechModels, ...vadModels];

test("every entry has a published file name, a size and a digest of its own", () => {
  for (const { name, file, bytes, sha256 } of all) {
    expect(file).toBe(`ggml-${name}.bin`);
    expect(bytes).toBeGreaterThan(800_000);
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  }
  expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
  expect(new Set(all.map(({ sha256 }) => sha256)).size).toBe(all.length);
});

test("a quantised file is smaller than the one that it was made of", () => {
  const bytes = new Map(all.map((weights) => [weights.name, weights.bytes]));
  const quantised = speechModels.filter(({ name }) => /-q\d_\d$/.test(name));
  expect(quantised).toHaveLength(21);
  for (const { name, bytes: own } of quantised) {
    expect(own).toBeLessThan(bytes.get(name.replace(/-q\d_\d$/, "")) ?? 0);
  }
});
