import { expect, test } from "bun:test";
import { speechModels, urlOf, vadModels } from "../../../src/models/catalog.ts";

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

test("each file is fetched from its repository, or from one folder that somebody has made of them", () => {
  const of = (name: string, folder: string) => {
    const found = all.find((weights) => weights.name === name);
    return found && urlOf(found, folder);
  };
  for (const host of ["https://huggingface.co", "https://mirror.example/hf"]) {
    const folder = `${host}/ggerganov/whisper.cpp/resolve/main`;
    expect(of("base.en", folder)).toBe(`${folder}/ggml-base.en.bin`);
    expect(of("distil-large-v3.5", `${folder}/`)).toBe(
      `${host}/distil-whisper/distil-large-v3.5-ggml/resolve/main/ggml-model.bin`,
    );
    expect(of("small.en-tdrz", folder)).toBe(
      `${host}/akashmjn/tinydiarize-whisper.cpp/resolve/main/ggml-small.en-tdrz.bin`,
    );
  }
  const own = "https://intranet.example/models";
  expect(of("distil-large-v3.5", own)).toBe(`${own}/ggml-distil-large-v3.5.bin`);
  expect(of("silero-v6.2.0", own)).toBe(`${own}/ggml-silero-v6.2.0.bin`);
});
