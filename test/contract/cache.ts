/** What every cache keeps to, whatever it stores its values in. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Cache, CacheLimits } from "../../src/store/cache.ts";

export interface OpenCache extends AsyncDisposable {
  readonly cache: Cache;
  /** Another process's view of the same values, with the same limits. */
  readonly other: Cache;
}

const bytes = (size: number, fill = 1) => new Uint8Array(size).fill(fill);

/** `open` gives an empty cache each time. */
export function cacheContract(name: string, open: (limits: CacheLimits) => Promise<OpenCache>): void {
  describe(`${name}, like every cache,`, () => {
    let opened: OpenCache | null = null;
    let cache: Cache;
    const reopen = async (limits: Partial<CacheLimits> = {}) => {
      await opened?.[Symbol.asyncDispose]();
      opened = await open({ ttlMs: 60_000, maxBytes: 1000, ...limits });
      cache = opened.cache;
      return opened;
    };
    /** Asks for all keys, without a word to the cache about which is used. */
    const found = async (...keys: string[]) => {
      const values = await Promise.all(keys.map(async (key) => ((await cache.get(key)) ? key : "")));
      return values.filter((key) => key !== "");
    };
    beforeEach(async () => void (await reopen()));
    afterEach(async () => {
      await opened?.[Symbol.asyncDispose]();
      opened = null;
    });

    test("finds nothing that was not stored", async () => {
      expect(await cache.get("nothing")).toBeNull();
    });

    test("gives back every byte, also zeros, line ends and what is no UTF-8", async () => {
      const all = Uint8Array.from({ length: 512 }, (_, index) => index % 256);
      await cache.put("all", all);
      expect(new Uint8Array((await cache.get("all")) ?? [])).toEqual(all);
      await cache.put("none", new Uint8Array());
      expect((await cache.get("none"))?.length).toBe(0);
    });

    test("does not keep a view of what it was given", async () => {
      const value = bytes(4);
      await cache.put("a", value);
      value.fill(9);
      expect(new Uint8Array((await cache.get("a")) ?? [])).toEqual(bytes(4));
    });

    test("takes keys of any text as different ones", async () => {
      const keys = ["a", "A", "a ", "", "ä", "'; drop table cache; --", "{cache}:values", "a:b*"];
      for (const [index, key] of keys.entries()) await cache.put(key, bytes(1, index));
      const values = await Promise.all(keys.map(async (key) => (await cache.get(key))?.[0]));
      expect(values).toEqual(keys.map((_, index) => index));
    });

    test("replaces a value, and counts it once", async () => {
      for (let round = 1; round <= 20; round += 1) await cache.put("a", bytes(400, round));
      await cache.put("b", bytes(600));
      expect((await cache.get("a"))?.[0]).toBe(20);
      expect((await cache.get("b"))?.length).toBe(600);
    });

    test("evicts what was used least recently, until all fit", async () => {
      for (const key of ["a", "b", "c", "d"]) await cache.put(key, bytes(250));
      await cache.get("a");
      await cache.get("c");
      await cache.put("e", bytes(300));
      expect(await found("a", "b", "c", "d", "e")).toEqual(["a", "c", "e"]);
    });

    test("tells how much it holds", async () => {
      expect(await cache.size()).toEqual({ entries: 0, bytes: 0 });
      await cache.put("a", bytes(300));
      await cache.put("b", bytes(200));
      await cache.put("a", bytes(100));
      expect(await cache.size()).toEqual({ entries: 2, bytes: 300 });
    });

    test("takes storing again for a use", async () => {
      for (const key of ["a", "b", "a", "c"]) await cache.put(key, bytes(400));
      expect(await found("a", "b", "c")).toEqual(["a", "c"]);
    });

    test("evicts everything for a value that has just room", async () => {
      for (let index = 0; index < 100; index += 1) await cache.put(`small ${index}`, bytes(10));
      await cache.put("large", bytes(1000));
      expect(await found("large", ...Array.from({ length: 100 }, (_, index) => `small ${index}`))).toEqual([
        "large",
      ]);
    });

    test("does not store what is larger than itself, and evicts nothing for it", async () => {
      await cache.put("a", bytes(500));
      await cache.put("large", bytes(1001));
      expect(await found("a", "large")).toEqual(["a"]);
    });

    test("stores nothing and finds nothing when its size is 0", async () => {
      await reopen({ maxBytes: 0 });
      await cache.put("a", bytes(1));
      await cache.put("empty", bytes(0));
      expect(await found("a", "empty")).toEqual([]);
    });

    test("forgets a value when its time is over, however often it was found", async () => {
      const ttlMs = 100;
      await reopen({ ttlMs });
      const storedAt = performance.now();
      await cache.put("a", bytes(1));
      while (await cache.get("a")) await Bun.sleep(1);
      expect(performance.now() - storedAt).toBeGreaterThanOrEqual(ttlMs - 5);
    });

    test("is one for all that share it", async () => {
      const { other } = await reopen();
      await cache.put("a", bytes(400));
      await other.put("b", bytes(400));
      expect((await other.get("a"))?.length).toBe(400);
      await cache.put("c", bytes(400));
      expect(await found("a", "b", "c")).toEqual(["a", "c"]);
    });

    test("keeps to its size when many store at the same time", async () => {
      const { other } = await reopen();
      const keys = Array.from({ length: 200 }, (_, index) => `key ${index}`);
      await Promise.all(
        keys.map((key, index) => (index % 2 === 0 ? cache : other).put(key, bytes(1 + (index % 97)))),
      );
      const sizes = await Promise.all(keys.map(async (key) => (await cache.get(key))?.length ?? 0));
      const kept = sizes.reduce((sum, size) => sum + size, 0);
      expect(kept).toBeLessThanOrEqual(1000);
      // the last ones of all sizes: no room for another is left
      expect(kept).toBeGreaterThan(1000 - 97);
    });
  });
}
