import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { maxBytesInMemory, maxBytesOfAll, SpooledFile } from "../../src/http/spooled-file.ts";
import { folderForEachTest } from "../helpers/folder-hooks.ts";

const folder = folderForEachTest();

const filled = (bytes: number, value: number) => new Uint8Array(bytes).fill(value);
const onDisk = () => readdir(folder.path);

test("few bytes stay in memory until somebody asks for the path, and are all there then", async () => {
  await using file = new SpooledFile(folder.path);
  await file.write(filled(10, 1));
  await file.write(filled(5, 2));
  expect(file.bytes).toBe(15);
  expect(await onDisk()).toEqual([]);
  const [path, again] = await Promise.all([file.path(), file.path()]);
  expect(again).toBe(path);
  expect(await Bun.file(path).bytes()).toEqual(Uint8Array.from([...filled(10, 1), ...filled(5, 2)]));
});

test("many bytes, and many pieces, go to the disk as they come", async () => {
  await using large = new SpooledFile(folder.path);
  await large.write(filled(maxBytesInMemory, 1));
  expect(await onDisk()).toEqual([]);
  await large.write(filled(1, 2));
  expect(await onDisk()).toHaveLength(1);
  await large.write(filled(3, 3));
  const bytes = await Bun.file(await large.path()).bytes();
  expect([bytes.length, ...bytes.subarray(-5)]).toEqual([maxBytesInMemory + 4, 1, 2, 3, 3, 3]);
  await using dripped = new SpooledFile(folder.path);
  for (let index = 0; index < 1000; index += 1) await dripped.write(filled(1, index % 251));
  expect(await onDisk()).toHaveLength(2);
  expect(await Bun.file(await dripped.path()).bytes()).toEqual(
    Uint8Array.from({ length: 1000 }, (_, index) => index % 251),
  );
});

test("disposal removes the file, and twice is once", async () => {
  const file = new SpooledFile(folder.path);
  await file.write(filled(1, 1));
  await file.path();
  await file[Symbol.asyncDispose]();
  await file[Symbol.asyncDispose]();
  expect(await onDisk()).toEqual([]);
});

test("all together hold no more than their bound, and give it back", async () => {
  const fill = async () => {
    const files: SpooledFile[] = [];
    while ((await onDisk()).length === 0) {
      const file = new SpooledFile(folder.path);
      files.push(file);
      await file.write(filled(maxBytesInMemory, 1));
    }
    for (const file of files) await file[Symbol.asyncDispose]();
    return files.length;
  };
  const most = maxBytesOfAll / maxBytesInMemory + 1;
  expect(await fill()).toBe(most);
  expect(await fill()).toBe(most);
});

test("what cannot be written is told, and leaves nothing", async () => {
  const file = new SpooledFile("/dev/null/nowhere");
  await file.write(filled(1, 1));
  await expect(file.path()).rejects.toThrow();
  await file[Symbol.asyncDispose]();
});
