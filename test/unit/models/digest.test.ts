import { beforeEach, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf, noteDigest } from "../../../src/models/digest.ts";
import { folderForEachTest } from "../../helpers/folder-hooks.ts";

const folder = folderForEachTest();
let path: string;
beforeEach(() => {
  path = join(folder.path, "ggml-a.bin");
});

const content = randomBytes(3_000_000);
const sha256 = createHash("sha256").update(content).digest("hex");
const noted = "ab".repeat(32);

test("a file without a note is read, and nothing is left beside it", async () => {
  writeFileSync(path, content);
  expect(await digestOf(path)).toBe(sha256);
  expect(existsSync(`${path}.sha256`)).toBe(false);
});

test("what was noted is not computed again", async () => {
  writeFileSync(path, content);
  await noteDigest(path, noted);
  expect(await digestOf(path)).toBe(noted);
  expect(readFileSync(`${path}.sha256`, "utf8")).toBe(`${noted}  ggml-a.bin\n`);
});

test("a note for other bytes is not believed: a newer file, an older one, a note that is none", async () => {
  writeFileSync(path, content);
  await noteDigest(path, noted);
  const { mtimeMs } = statSync(path);
  for (const ms of [mtimeMs + 5000, mtimeMs - 5000]) {
    utimesSync(path, ms / 1000, ms / 1000);
    expect(await digestOf(path)).toBe(sha256);
  }
  await noteDigest(path, "not a digest");
  expect(await digestOf(path)).toBe(sha256);
});

test("what cannot be noted is read; what cannot be read rejects", async () => {
  await noteDigest(path, noted);
  expect(existsSync(`${path}.sha256`)).toBe(false);
  expect(digestOf(path)).rejects.toThrow();
});

test("others go on while a file is read", async () => {
  writeFileSync(path, Buffer.alloc(64 * 2 ** 20));
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  await digestOf(path).finally(() => clearInterval(timer));
  expect(turns).toBeGreaterThan(1);
});
