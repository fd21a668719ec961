/** Weights come from people and networks: whatever a file holds, loading it tells, and never ends the process. */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { native } from "../../src/native.ts";
import { demoModel, needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { modelOptions, rejection } from "./harness.ts";
import { inChild } from "./in-child.ts";

setDefaultTimeout(300_000);

let weights: Uint8Array;
const folder = folderForAllTests();

beforeAll(async () => {
  weights = await Bun.file(demoModel).bytes();
});

/** The weights with a little-endian number written over what is at `offset`. */
function withNumber(offset: number, value: number): Uint8Array {
  const copy = weights.slice();
  new DataView(copy.buffer).setInt32(offset, value, true);
  return copy;
}

/** Names of the numbers after the magic, in whisper.cpp's format. */
const header = [
  "n_vocab",
  "n_audio_ctx",
  "n_audio_state",
  "n_audio_head",
  "n_audio_layer",
  "n_text_ctx",
  "n_text_state",
  "n_text_head",
  "n_text_layer",
  "n_mels",
  "ftype",
] as const;

/** Loads each of the files in one process; gives what that said, by name. */
async function load(files: Record<string, Uint8Array | string>): Promise<Record<string, string>> {
  using place = temporaryFolder();
  for (const [name, content] of Object.entries(files)) await Bun.write(join(place.path, name), content);
  const { code, signal, lines, stderr } = await inChild("models", place.path);
  const said = Object.fromEntries(lines.map((line) => line.split(": ", 2) as [string, string]));
  expect({ code, signal, last: lines.at(-1), stderr }).toMatchObject({ code: 0, signal: null });
  expect(Object.keys(said).sort()).toEqual(Object.keys(files).sort());
  return said;
}

test("a file that breaks off anywhere is bad_model", async () => {
  const cuts = [0, 1, 3, 4, 20, 48, 1000, 64_000, 400_000, weights.length >> 1, weights.length - 1];
  const said = await load(
    Object.fromEntries(cuts.map((length) => [`cut-${length}`, weights.subarray(0, length)])),
  );
  for (const answer of Object.values(said)) expect(answer).toStartWith("bad_model, ");
});

test("a header with another number is bad_model, or a model that still runs", async () => {
  const files = Object.fromEntries(
    header.flatMap((name, index) =>
      [-1, 0, 1, 7, 2 ** 31 - 1].map((value) => [`${name}=${value}`, withNumber(4 + 4 * index, value)]),
    ),
  );
  const said = await load(files);
  for (const answer of Object.values(said)) expect(answer).toMatch(/^(bad_model, |loaded, (done|error))/);
  for (const name of header) expect(said[`${name}=-1`]).toStartWith("bad_model, ");
  for (const name of header.slice(0, 10)) expect(said[`${name}=${2 ** 31 - 1}`]).toStartWith("bad_model, ");
});

test("a header of another shape with the same weights is bad_model, or a model that still runs", async () => {
  const said = await load({
    heads: withNumber(4 + 4 * 3, 4),
    "fewer layers": withNumber(4 + 4 * 4, 3),
    "more layers": withNumber(4 + 4 * 8, 6),
    "larger state": withNumber(4 + 4 * 2, 256),
    "shorter context": withNumber(4 + 4 * 1, 750),
    "other mels": withNumber(4 + 4 * 9, 128),
    "another vocabulary": withNumber(4, 51_866),
    "another precision": withNumber(4 + 4 * 10, 0),
  });
  for (const answer of Object.values(said)) expect(answer).toMatch(/^(bad_model, |loaded, (done|error))/);
});

test("bytes that are changed further in are bad_model, or a model that still runs", async () => {
  const files = Object.fromEntries(
    [48, 52, 56, 26_000, 400_000, 700_000, 750_000, 800_000, weights.length - 5000].map((at) => [
      `changed-${at}`,
      withNumber(at, 0x7fff_fff0),
    ]),
  );
  for (const answer of Object.values(await load(files))) {
    expect(answer).toMatch(/^(bad_model, |loaded, (done|error))/);
  }
});

test("files of other kinds are bad_model", async () => {
  const said = await load({
    text: "This is no model. ".repeat(1000),
    zeros: new Uint8Array(100_000),
    wav: await Bun.file(recording("en-digits.wav").path).bytes(),
    gguf: Buffer.concat([Buffer.from("GGUF"), weights.subarray(4)]),
    "wrong magic": withNumber(0, 0x67676d66),
  });
  for (const answer of Object.values(said)) expect(answer).toStartWith("bad_model, ");
});

test.skipIf(vadModel === null)(
  `weights for voice activity detection are no model (${needsVadModel})`,
  async () => {
    const said = await load({ silero: await Bun.file(vadModel ?? "").bytes() });
    expect(said.silero).toStartWith("bad_model, ");
  },
);

describe("a path that cannot be read", () => {
  const load = (path: string) => rejection(native.loadModel(path, modelOptions));

  test("is an io error, without the path in its message", async () => {
    const directory = join(folder.path, "folder.bin");
    await mkdir(directory);
    await symlink(join(folder.path, "nowhere"), join(folder.path, "dangling.bin"));
    for (const path of [
      directory,
      "",
      "missing.bin",
      join(folder.path, "dangling.bin"),
      `a\0b`,
      "x".repeat(5000),
    ]) {
      const error = await load(path);
      expect(error).toMatchObject({ name: "Error", code: "io" });
      expect(error.message).not.toContain(folder.path);
    }
  });
});

describe("weights for voice activity detection", () => {
  test.each(["", "missing.bin", "models", "package.json", "models/demo.bin", "test/fixtures/en-digits.wav"])(
    "at %p are refused without ending the process",
    async (path) => {
      const { code, signal, lines } = await inChild("vad", path);
      expect({ code, signal, lines }).toEqual({
        code: 0,
        signal: null,
        lines: [expect.stringMatching(/^(bad_model|io) /)],
      });
    },
  );
});
