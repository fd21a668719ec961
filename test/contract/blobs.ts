/** What every store of blobs keeps to: the one on disk and the one in a bucket. */
import { beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Blobs } from "../../src/store/blobs.ts";
import { folderForEachTest } from "../helpers/folder-hooks.ts";

/** `start` gives blobs that nobody else uses; files may be put into `directory`, which is removed. */
export function blobsContract(name: string, start: (directory: string) => Promise<Blobs>): void {
  describe(`${name}, like all blobs,`, () => {
    const folder = folderForEachTest();
    let blobs: Blobs;
    beforeEach(async () => {
      blobs = await start(join(folder.path, "store"));
    });

    const file = async (content: string | Uint8Array) => {
      const path = join(folder.path, crypto.randomUUID());
      await Bun.write(path, content);
      return path;
    };
    const read = async (key: string) => {
      await using opened = await blobs.open(key);
      return opened && (await Bun.file(opened.path).bytes());
    };
    const text = (value: string) => new TextEncoder().encode(value);

    test("gives back what was put, as often as it is opened", async () => {
      const content = crypto.getRandomValues(new Uint8Array(60_000));
      await blobs.put("blob_1", await file(content));
      expect(await read("blob_1")).toEqual(content);
      expect(await read("blob_1")).toEqual(content);
    });

    test("takes empty files", async () => {
      await blobs.put("blob_1", await file(""));
      expect(await read("blob_1")).toEqual(new Uint8Array());
    });

    test("overwrites", async () => {
      await blobs.put("blob_1", await file("first, and longer"));
      await blobs.put("blob_1", await file("second"));
      expect(await read("blob_1")).toEqual(text("second"));
    });

    test("has nothing under a key that was not put or is removed; removing again is fine", async () => {
      expect(await blobs.open("blob_1")).toBeNull();
      await blobs.put("blob_1", await file("content"));
      await blobs.put("blob_2", await file("other"));
      await blobs.remove("blob_1");
      await blobs.remove("blob_1");
      await blobs.remove("never_there");
      expect(await blobs.open("blob_1")).toBeNull();
      expect(await read("blob_2")).toEqual(text("other"));
    });

    test("keeps the blob when an opened file is disposed of twice", async () => {
      await blobs.put("blob_1", await file("content"));
      const opened = await blobs.open("blob_1");
      await opened?.[Symbol.asyncDispose]();
      await opened?.[Symbol.asyncDispose]();
      expect(await read("blob_1")).toEqual(text("content"));
    });

    test("tells which are older than a time", async () => {
      expect(await blobs.olderThan(0)).toEqual([]);
      await blobs.put("blob_1", await file("content"));
      await blobs.put("blob_2", await file("content"));
      // Object stores count in seconds.
      expect([...(await blobs.olderThan(-2000))].sort()).toEqual(["blob_1", "blob_2"]);
      expect(await blobs.olderThan(60_000)).toEqual([]);
    });

    test.each([
      "",
      ".",
      "..",
      "../escaped",
      "a/b",
      "a\\b",
      "/etc/passwd",
      "a.b",
      "a b",
      "ä",
      "a\0b",
      "x".repeat(129),
    ])("refuses %p for a key, before anything is touched", async (key) => {
      const path = await file("content");
      for (const act of [() => blobs.put(key, path), () => blobs.open(key), () => blobs.remove(key)])
        await expect(act()).rejects.toThrow(/^Expected letters, digits, _ and -, at most 128, for key/);
      expect(existsSync(path)).toBe(true);
      expect(existsSync(join(folder.path, "escaped"))).toBe(false);
    });

    test("rejects a file that is not there", async () => {
      await expect(blobs.put("blob_1", join(folder.path, "gone"))).rejects.toMatchObject({
        name: "StoreUnavailable",
      });
      expect(await blobs.open("blob_1")).toBeNull();
    });
  });
}
