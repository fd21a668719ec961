/** What every store of keys keeps to. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Keys, StoredKey } from "../../src/store/keys.ts";

/** A store without keys, on connections of their own. */
export interface SharedKeys extends AsyncDisposable {
  readonly keys: readonly [Keys, Keys];
}

const digestOf = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");

const key = (id: string, more: Partial<StoredKey> = {}): StoredKey => ({
  id,
  name: `of ${id}`,
  digest: digestOf(id),
  hint: "abcd",
  scopes: ["transcribe"],
  limits: null,
  audioLimits: null,
  createdAtMs: 1_700_000_000_000,
  expiresAtMs: null,
  revokedAtMs: null,
  ...more,
});

/** `skipped`: why it cannot be run here. */
export function keysContract(
  name: string,
  open: () => Promise<SharedKeys>,
  skipped: string | null = null,
): void {
  describe.skipIf(skipped !== null)(`${name}, like every store of keys,${skipped ?? ""}`, () => {
    let shared: SharedKeys;
    let keys: Keys;
    let other: Keys;
    beforeAll(async () => {
      shared = await open();
      [keys, other] = shared.keys;
      expect(await keys.isEmpty()).toBe(true);
    });
    afterAll(() => shared[Symbol.asyncDispose]());

    test("finds a key by its digest, on every connection, as it was stored", async () => {
      const full = key("key_full", {
        name: "Ann's \"key\"\n'; drop table keys; --",
        scopes: ["transcribe", "admin"],
        limits: "10/minute",
        audioLimits: "off",
        expiresAtMs: 1_900_000_000_000,
      });
      await keys.create(full);
      expect(await other.find(full.digest)).toEqual(full);
      expect(await other.isEmpty()).toBe(false);
    });

    test("finds nothing else", async () => {
      expect(await keys.find(digestOf("nobody"))).toBeNull();
      expect(await keys.find("")).toBeNull();
      expect(await keys.find("' or 1=1 --")).toBeNull();
    });

    test("lists all of them in the order of their making", async () => {
      const [late, early, expired] = [
        key("key_a", { createdAtMs: 3000 }),
        key("key_b", { createdAtMs: 1000 }),
        key("key_c", { createdAtMs: 2000, expiresAtMs: 2001 }),
      ];
      for (const each of [late, early, expired]) await keys.create(each);
      const listed = (await other.list()).filter(({ createdAtMs }) => createdAtMs <= 3000);
      expect(listed).toEqual([early, expired, late]);
    });

    test("revokes for everyone, once", async () => {
      const doomed = key("key_doomed");
      await keys.create(doomed);
      expect(await keys.revoke("key_doomed", 5000)).toBe(true);
      expect(await other.find(doomed.digest)).toEqual({ ...doomed, revokedAtMs: 5000 });
      expect(await other.revoke("key_doomed", 9000)).toBe(true);
      expect((await keys.find(doomed.digest))?.revokedAtMs).toBe(5000);
      expect((await keys.list()).find(({ id }) => id === "key_doomed")?.revokedAtMs).toBe(5000);
      expect(await keys.isEmpty()).toBe(false);
    });

    test("says when there is no key to revoke", async () => {
      expect(await keys.revoke("key_nobody", 5000)).toBe(false);
      expect(await keys.revoke("", 5000)).toBe(false);
    });
  });
}
