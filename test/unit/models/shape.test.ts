import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { speechModels, vadModels } from "../../../src/models/catalog.ts";
import {
  bytesPerSlot,
  isMultilingual,
  languagesOf,
  memoryBytes,
  readShape,
  shapeNamed,
} from "../../../src/models/shape.ts";
import { demoModel, vadModel } from "../../fixtures/index.ts";
import { folderForAllTests } from "../../helpers/folder-hooks.ts";

const folder = folderForAllTests();

test("a file's header tells its shape", async () => {
  expect(await readShape(demoModel)).toEqual({
    vocabulary: 51_865,
    ...{
      audioContext: 1500,
      audioWidth: 128,
      audioLayers: 4,
      textContext: 448,
      textWidth: 128,
      textHeads: 2,
      textLayers: 4,
    },
    precision: "q8_0",
  });
});

test("what is no whisper model has none", async () => {
  const write = (name: string, bytes: Uint8Array) => {
    writeFileSync(join(folder.path, name), bytes);
    return join(folder.path, name);
  };
  const demo = await Bun.file(demoModel).bytes();
  const damaged = demo.slice(0, 100);
  damaged.set([255, 255, 255, 255], 8);
  for (const path of [
    join(folder.path, "missing"),
    folder.path,
    write("empty", new Uint8Array()),
    write("short", demo.slice(0, 40)),
    write("text", new TextEncoder().encode("x".repeat(100))),
    write("damaged", damaged),
    ...(vadModel === null ? [] : [vadModel]),
  ]) {
    expect([path, await readShape(path)]).toEqual([path, null]);
  }
});

test("names of the catalogue tell shapes: the weights of each are about as large as its shape", () => {
  const bitsOf: Record<string, number> = { f16: 16, q5_0: 5.5, q5_1: 6, q8_0: 8.5 };
  for (const { name, bytes } of speechModels) {
    const shape = shapeNamed(name);
    const { audioWidth: width, audioLayers, textLayers, vocabulary } = shape;
    // attention and feed-forward: 12 width² in a layer, and 4 more in one that also listens
    const parameters = width ** 2 * (12 * audioLayers + 16 * textLayers) + vocabulary * width;
    const expected = (parameters * (bitsOf[shape.precision] ?? 0)) / 8;
    const ratio = bytes / expected;
    expect([name, ratio, ratio > 0.95 && ratio < 1.25]).toEqual([name, ratio, true]);
  }
  expect(vadModels.length).toBeGreaterThan(0);
});

test("languages follow from the vocabulary, in whisper's order", () => {
  expect(languagesOf({ vocabulary: 51_864 })).toEqual(["en"]);
  expect(isMultilingual({ vocabulary: 51_864 })).toBe(false);
  const second = languagesOf({ vocabulary: 51_865 });
  expect([second.length, second[0], second.at(-1)]).toEqual([99, "en", "su"]);
  expect(languagesOf({ vocabulary: 51_866 }).at(-1)).toBe("yue");
});

test("memory grows with the slots, the larger the wider and deeper the decoder", () => {
  const base = shapeNamed("base");
  expect(bytesPerSlot(base) / 2 ** 20).toBeCloseTo(35.9, 1);
  expect(bytesPerSlot(shapeNamed("large-v3-turbo"))).toBeLessThan(bytesPerSlot(shapeNamed("large-v3")) / 6);
  expect(memoryBytes(1000, base, 3) - memoryBytes(1000, base, 1)).toBe(2 * bytesPerSlot(base));
});
