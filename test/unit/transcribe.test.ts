/** The verb over an engine of the test and a real cache. */
import { expect, test } from "bun:test";
import { AppError } from "../../src/core/errors.ts";
import { defaultOptions, type Options, type Priority } from "../../src/core/options.ts";
import type { TranscriptEvent } from "../../src/core/transcript.ts";
import { Metrics } from "../../src/metrics.ts";
import type { SharedRun } from "../../src/results/shared-run.ts";
import type { Cache } from "../../src/store/cache.ts";
import { StoreUnavailable } from "../../src/store/store.ts";
import { type CachePolicy, transcribe } from "../../src/transcribe.ts";
import { recording } from "../fixtures/index.ts";
import { FakeEngine } from "../helpers/engine.ts";
import { FakeModels } from "../helpers/models.ts";
import { memoryStore } from "../helpers/stores.ts";

const { path } = recording("en-digits.wav");

interface Wanted {
  readonly options?: Partial<Options>;
  readonly cache?: CachePolicy;
  readonly priority?: Priority;
  readonly sha256?: string;
  readonly signal?: AbortSignal;
}

function setUp(cache: Pick<Cache, "get" | "put"> = memoryStore().cache) {
  const engine = new FakeEngine();
  const lines: string[] = [];
  const write = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  const log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  const models = new FakeModels(engine);
  const runs = new Map<string, SharedRun>();
  const metrics = new Metrics();
  const deps = { models, vadDigest: Promise.resolve("vad"), store: { cache }, runs, log, metrics };
  let paths = 0;
  const begin = ({ options, sha256 = "audio", priority = "request", signal, cache }: Wanted = {}) =>
    transcribe(deps, {
      model: engine.model.id,
      file: {
        sha256,
        path: async () => {
          paths += 1;
          return path;
        },
      },
      options: { ...defaultOptions, ...options },
      priority,
      signal: signal ?? new AbortController().signal,
      requestId: "req_test",
      ...(cache ? { cache } : {}),
    });
  /** What is said, and where it came from. */
  const say = async (wanted: Wanted = {}): Promise<[string, TranscriptEvent[]]> => {
    const transcription = await begin(wanted);
    return [transcription.cache, await Array.fromAsync(transcription)];
  };
  const from = async (wanted: Wanted = {}) => (await say(wanted))[0];
  /** Resolves when nothing is about to be stored. */
  const settled = () =>
    Promise.all([...deps.runs.values()].map(({ result }) => result)).then(() => Bun.sleep(0));
  return { engine, deps, lines, begin, say, from, settled, pathsAsked: () => paths };
}

const failing = (error: Error): Pick<Cache, "get" | "put"> => ({
  get: () => Promise.reject(error),
  put: () => Promise.reject(error),
});

test("the second request for the same is answered with the same events, without the engine or the file", async () => {
  const { say, engine, settled, pathsAsked } = setUp();
  const [first, events] = await say();
  await settled();
  expect([first, ...(await say())]).toEqual(["miss", "hit", events]);
  expect(engine.requests).toHaveLength(1);
  expect(pathsAsked()).toBe(1);
});

test("another recording, or other options, are another run", async () => {
  const { from, settled } = setUp();
  for (const wanted of [
    {},
    { sha256: "other" },
    { options: { language: "de" } },
    { options: { vad: true } },
  ]) {
    expect(await from(wanted)).toBe("miss");
    await settled();
    expect(await from(wanted)).toBe("hit");
  }
});

test("twenty at the same time are one run, of which all hear everything", async () => {
  const { say, engine } = setUp();
  const all = await Promise.all(Array.from({ length: 20 }, () => say()));
  expect(engine.requests).toHaveLength(1);
  expect(all.map(([cache]) => cache).toSorted()).toEqual([...Array(19).fill("join"), "miss"]);
  for (const [, events] of all) expect(events).toEqual(all[0]?.[1] ?? []);
});

test("one who comes while a run goes on hears it from the start", async () => {
  const { begin, say, engine } = setUp();
  const gate = Promise.withResolvers<void>();
  engine.beforeEvent = (index) => (index < 2 ? Promise.resolve() : gate.promise);
  const first = (await begin())[Symbol.asyncIterator]();
  await first.next();
  await first.next();
  const second = say();
  gate.resolve();
  const [cache, events] = await second;
  expect(cache).toBe("join");
  expect(events[0]?.type).toBe("start");
  expect(events.at(-1)?.type).toBe("done");
});

test("a run that nobody waits for any more is cancelled and not stored; the next one begins anew", async () => {
  const { begin, from, engine, deps } = setUp();
  engine.admission = new Promise(() => {});
  const [one, two] = [new AbortController(), new AbortController()];
  const waiting = [begin({ signal: one.signal }), begin({ signal: two.signal })].map((begun) =>
    begun.catch((error: AppError) => error.code),
  );
  await engine.arrived.promise;
  one.abort();
  expect(deps.runs.size).toBe(1);
  two.abort();
  expect(await Promise.all(waiting)).toEqual(["request_cancelled", "request_cancelled"]);
  engine.admission = Promise.resolve();
  expect(await from()).toBe("miss");
  expect(engine.requests).toHaveLength(2);
});

test("the one who began it may leave: the run goes on for the others, and is stored", async () => {
  const { begin, say, from, engine, settled } = setUp();
  const gate = Promise.withResolvers<void>();
  engine.beforeEvent = (index) => (index < 2 ? Promise.resolve() : gate.promise);
  const leaver = new AbortController();
  const left = await begin({ signal: leaver.signal });
  const joined = say();
  await Bun.sleep(0);
  leaver.abort();
  await expect(Array.fromAsync(left)).rejects.toMatchObject({ code: "request_cancelled" });
  gate.resolve();
  expect((await joined)[1].at(-1)?.type).toBe("done");
  await settled();
  expect(await from()).toBe("hit");
});

test("a run that fails is not stored", async () => {
  const { say, from, engine, settled } = setUp();
  engine.failure = new AppError("internal_error", "The transcription failed");
  await expect(say()).rejects.toMatchObject({ code: "internal_error" });
  await settled();
  engine.failure = null;
  expect(await from()).toBe("miss");
});

test("a refusal is shared, but for one that is about the first caller alone", async () => {
  const { from, engine } = setUp();
  const gate = Promise.withResolvers<void>();
  engine.admission = gate.promise;
  engine.refusal = new AppError("corrupt_audio", "The recording breaks off");
  const refused = Promise.allSettled([from(), from()]);
  gate.resolve();
  expect((await refused).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(engine.requests).toHaveLength(1);

  const budget = Promise.withResolvers<void>();
  engine.admission = budget.promise;
  engine.refusal = new AppError("rate_limit_exceeded", "No audio is left this hour");
  const first = from().catch((error: AppError) => error.code);
  const others = [from(), from()];
  await Bun.sleep(0);
  const transcribe = engine.transcribe.bind(engine);
  engine.transcribe = (request) => {
    engine.refusal = null;
    return transcribe(request);
  };
  budget.resolve();
  engine.admission = Promise.resolve();
  expect(await first).toBe("rate_limit_exceeded");
  expect((await Promise.all(others)).toSorted()).toEqual(["join", "miss"]);
});

test("what is drawn at random is neither stored nor joined, unless its seed is given", async () => {
  const { from, engine, settled } = setUp();
  const drawn = { options: { temperature: 0.5 } };
  expect(await Promise.all([from(drawn), from(drawn)])).toEqual(["bypass", "bypass"]);
  expect(await from(drawn)).toBe("bypass");
  const seeded = { options: { temperature: 0.5, seed: 7 } };
  expect(await from(seeded)).toBe("miss");
  await settled();
  expect(await from(seeded)).toBe("hit");
  expect(await from({ options: { temperature: 0.5, seed: 8 } })).toBe("miss");
  expect(engine.requests).toHaveLength(5);
});

test("no-store neither finds, stores nor joins", async () => {
  const { from, engine, settled } = setUp();
  expect(await Promise.all([from({ cache: "no-store" }), from({ cache: "no-store" })])).toEqual([
    "bypass",
    "bypass",
  ]);
  await settled();
  expect(await from()).toBe("miss");
  await settled();
  expect(await from({ cache: "no-store" })).toBe("bypass");
  expect(engine.requests).toHaveLength(4);
});

test("a result may be too old for who asks; his own is stored in its place", async () => {
  const { from, settled } = setUp();
  await from();
  await settled();
  expect(await from({ cache: { maxAgeMs: 60_000 } })).toBe("hit");
  expect(await from({ cache: { maxAgeMs: 0 } })).toBe("miss");
  await settled();
  await Bun.sleep(20);
  expect(await from({ cache: { maxAgeMs: 10 } })).toBe("miss");
  await settled();
  expect(await from()).toBe("hit");
});

test("a request does not wait with a batch, but a batch joins a request", async () => {
  const { from, engine, lines } = setUp();
  const gate = Promise.withResolvers<void>();
  engine.admission = gate.promise;
  const all = [];
  /** That have begun a run, or joined one. */
  const placed = () => engine.requests.length + lines.filter((line) => line.includes("joined")).length;
  for (const priority of ["batch", "batch", "request", "request", "batch"] as const) {
    all.push(from({ priority }));
    while (placed() < all.length) await Bun.sleep(1);
  }
  expect(engine.requests.map(({ priority }) => priority)).toEqual(["batch", "request"]);
  gate.resolve();
  expect(await Promise.all(all)).toEqual(["miss", "join", "miss", "join", "join"]);
});

test("a store that does not answer is a miss, and a line for who debugs", async () => {
  const { from, lines, settled } = setUp(failing(new StoreUnavailable(new Error("away"))));
  expect(await from()).toBe("miss");
  await settled();
  expect(await from()).toBe("miss");
  await settled();
  expect(new Set(lines)).toEqual(new Set(["debug: cache not read", "debug: cache not written"]));
});

test("what is found under the key and is no result of ours is a miss", async () => {
  const store = memoryStore();
  let key = "";
  const { from, settled } = setUp({
    get: (asked) => store.cache.get(asked),
    put: (stored, value) => {
      key = stored;
      return store.cache.put(stored, value);
    },
  });
  await from();
  await settled();
  for (const junk of [new Uint8Array(), new Uint8Array(1000), Buffer.from("{}")]) {
    await store.cache.put(key, junk);
    expect(await from()).toBe("miss");
    await settled();
    expect(await from()).toBe("hit");
  }
});

test("nothing is kept of runs that have ended", async () => {
  const { from, deps, settled } = setUp();
  await Promise.all(Array.from({ length: 10 }, (_, index) => from({ sha256: `${index % 3}` })));
  await settled();
  expect(deps.runs.size).toBe(0);
});
