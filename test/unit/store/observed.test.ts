/** What /metrics tells of the store's own time. */
import { expect, test } from "bun:test";
import { Metrics } from "../../../src/metrics.ts";
import { observed } from "../../../src/store/observed.ts";
import type { Store } from "../../../src/store/store.ts";
import { memoryStore } from "../../helpers/stores.ts";

const minute = { name: "minute", capacity: 2, windowMs: 60_000 };

/** Operations that were counted, by operation and store. */
async function counted(metrics: Metrics): Promise<Record<string, number>> {
  const lines = (await metrics.text()).matchAll(
    /^whisper_store_operation_duration_seconds_count\{store="(\w+)",operation="([\w.]+)"\} (\d+)$/gm,
  );
  return Object.fromEntries([...lines].map(([, store, name, count]) => [`${name} ${store}`, Number(count)]));
}

const sumOf = async (metrics: Metrics, operation: string) => {
  const line = new RegExp(`_seconds_sum\\{store="\\w+",operation="${operation}"\\} (\\S+)`);
  return Number(line.exec(await metrics.text())?.[1]);
};

/** The store with other operations of one part. */
function withPart<Name extends "cache" | "jobs">(
  store: Store,
  name: Name,
  part: Partial<Store[Name]>,
): Store {
  return Object.assign(Object.create(store), { [name]: Object.assign(Object.create(store[name]), part) });
}

test("what is asked of the store is counted by operation and by where it goes, and answers as before", async () => {
  const metrics = new Metrics();
  const store = observed(memoryStore(), metrics);
  await store.cache.put("key", new Uint8Array([7]));
  expect(await store.cache.get("key")).toEqual(new Uint8Array([7]));
  expect(await store.cache.get("other")).toBeNull();
  expect((await store.limiter.take("caller", [minute], 1)).granted).toBe(true);
  await store.jobs.add("delivery", "one");
  await store.blobs.remove("no-such-blob");
  expect(await counted(metrics)).toEqual({
    "cache.put sqlite": 1,
    "cache.get sqlite": 2,
    "limiter.take sqlite": 1,
    "jobs.add sqlite": 1,
    "blobs.remove disk": 1,
  });
  await store.close();
});

test("what is done regularly is not counted: it would hide what a request waits for", async () => {
  const metrics = new Metrics();
  const store = observed(memoryStore(), metrics);
  await store.cache.size();
  await store.jobs.count("delivery");
  await store.tasks.find("none");
  expect(await counted(metrics)).toEqual({});
  await store.close();
});

test("an operation is timed until its answer has come", async () => {
  const metrics = new Metrics();
  const asked = Promise.withResolvers<null>();
  const store = observed(withPart(memoryStore(), "cache", { get: () => asked.promise }), metrics);
  const startMs = performance.now();
  const answer = store.cache.get("key");
  expect(await counted(metrics)).toEqual({});
  while (performance.now() - startMs < 20) await Bun.sleep(1);
  asked.resolve(null);
  expect(await answer).toBeNull();
  expect(await counted(metrics)).toEqual({ "cache.get sqlite": 1 });
  expect(await sumOf(metrics, "cache.get")).toBeGreaterThanOrEqual(0.02);
});

test("a failure is counted too, and reaches the one who asked", async () => {
  const metrics = new Metrics();
  const failing = { add: () => Promise.reject(new Error("away")) };
  const store = observed(withPart(memoryStore(), "jobs", failing), metrics);
  await expect(store.jobs.add("delivery", "one")).rejects.toThrow("away");
  expect(await counted(metrics)).toEqual({ "jobs.add sqlite": 1 });
});

test("what a store is stays visible: its kind, and whether it is available at the moment", () => {
  let isAvailable = true;
  const store = Object.defineProperty(Object.create(memoryStore()), "isAvailable", {
    get: () => isAvailable,
  });
  const seen = observed(store, new Metrics());
  expect([seen.kind, seen.isAvailable]).toEqual(["sqlite", true]);
  isAvailable = false;
  expect(seen.isAvailable).toBe(false);
});
