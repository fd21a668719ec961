/** The registry over the addon: real weights under several names, loaded, shared, unloaded, damaged, removed. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { openHere } from "../../src/cli/transcription/local.ts";
import type { AppError } from "../../src/core/errors.ts";
import { defaultOptions } from "../../src/core/options.ts";
import { collect } from "../../src/core/transcript.ts";
import { Admission } from "../../src/engine/admission.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { SampleMemory } from "../../src/engine/sample-memory.ts";
import { openWhisperEngine } from "../../src/engine/whisper.ts";
import { Metrics } from "../../src/metrics.ts";
import { digestOf } from "../../src/models/digest.ts";
import { Registry, type RegistryOptions } from "../../src/models/registry.ts";
import { bytesPerSlot, memoryBytes, readShape } from "../../src/models/shape.ts";
import { native } from "../../src/native.ts";
import { demoModel, recording } from "../fixtures/index.ts";
import { folderForEachTest } from "../helpers/folder-hooks.ts";
import { refusal } from "../helpers/refusal.ts";
import { modelOptions } from "./harness.ts";

setDefaultTimeout(60_000);

const folder = folderForEachTest();
let registry: Registry | null;
beforeEach(() => {
  registry = null;
});
afterEach(async () => {
  await registry?.close(0);
});

const never = new AbortController().signal;
const slots = 2;

function install(name: string): string {
  const path = join(folder.path, `ggml-${name}.bin`);
  copyFileSync(demoModel, path);
  return path;
}

async function open(options: Partial<RegistryOptions> = {}): Promise<Registry> {
  const drop = () => {};
  const log = { debug: drop, info: drop, warn: drop, error: drop };
  const admission = new Admission({ maxRuns: 8, maxQueue: 64 });
  registry = await Registry.open({
    ...{
      dir: folder.path,
      url: "http://127.0.0.1:1",
      standard: { path: demoModel, id: "demo", warning: null },
    },
    ...{ slots, maxBytes: 0, ttlMs: 0, status: () => admission.status, log },
    metrics: new Metrics(),
    open: (model, slotsBytes) =>
      openWhisperEngine({
        ...{
          native,
          log,
          metrics: new Metrics(),
          admission,
          memory: new SampleMemory(2 ** 28),
          gpu: -1,
          threads: 1,
          slots,
          slotsBytes,
          vadModel: null,
        },
        model: { ...model, digest: digestOf(model.path) },
        maxDurationMs: 600_000,
      }),
    ...options,
  });
  return registry;
}

const start = (engine: Engine, name = "en-digits.wav", signal = never) =>
  engine.transcribe({
    path: recording(name).path,
    options: { ...defaultOptions, language: "en", beamSize: 1 },
    ...{ tokens: false, priority: "request", signal, requestId: "req_test" },
  });

/** As a request does it: the model is held until the run has begun. */
async function transcribe(id: string, name?: string): Promise<string> {
  if (!registry) throw new Error("There is no registry");
  const events = await begin(id, name);
  return (await collect(events)).text;
}

async function begin(id: string, name?: string) {
  if (!registry) throw new Error("There is no registry");
  using model = await registry.use(id, never);
  return await start(model.engine, name);
}

const rssBytes = () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

test("a slot takes what the addon says that it takes", async () => {
  const model = await native.loadModel(demoModel, modelOptions).result;
  const shape = await readShape(demoModel);
  expect(shape && bytesPerSlot(shape)).toBe(model.bytesPerSlot);
  expect(shape?.precision).toBe(model.precision);
  await model.close();
});

test("several models answer side by side, each loaded once", async () => {
  for (const name of ["a", "b"]) install(name);
  const { installed } = await open();
  expect(installed.map(({ id }) => id)).toEqual(["demo", "a", "b"]);
  const said = await Promise.all(["a", "b", "demo", "a", "b", "a"].map((id) => transcribe(id)));
  expect(new Set(said).size).toBe(1);
  expect(said[0]).not.toBe("");
  expect(registry?.installed.map(({ isLoaded }) => isLoaded)).toEqual([true, true, true]);
});

test("what a model tells before it is loaded is what it tells then", async () => {
  install("a");
  const { installed } = await open();
  const [, before] = installed;
  using model = await (registry as Registry).use("a", never);
  const { id, multilingual, languages, precision, bytes } = model.engine.model;
  expect({ id, multilingual, languages: [...languages], precision, bytes }).toEqual({
    ...{ id: before?.id ?? "", multilingual: before?.multilingual ?? false },
    ...{
      languages: [...(before?.languages ?? [])],
      precision: before?.precision ?? "",
      bytes: before?.bytes ?? 0,
    },
  });
  expect(await model.engine.model.digest).toBe(await digestOf(demoModel));
});

test("a command, which keeps no results, does not read the weights again for their digest", async () => {
  const { engine } = await openHere({ model: demoModel, vad: false, display: null });
  expect(engine.model.digest).toBeNull();
  await engine.close(0);
});

test("what one engine listens to, another transcribes", async () => {
  install("a");
  await open();
  using model = await (registry as Registry).use("a", never);
  const live = (registry as Registry).defaultEngine.listen({
    ...{ rate: 16_000, maxBufferedMs: 10_000, onFrames: () => {} },
  });
  live.append((await Bun.file(recording("en-digits.wav").path).bytes()).subarray(44));
  const events = await live.transcribe({
    ...{ fromMs: 0, toMs: 2700, signal: never, requestId: "sess_test", engine: model.engine },
    options: { ...defaultOptions, language: "en", beamSize: 1 },
  });
  expect([model.engine.status().running, registry?.defaultEngine.status().running]).toEqual([1, 0]);
  expect((await collect(events)).text).toStartWith("One two three");
  live.close();
});

test("a truncated file is refused, and the others answer on", async () => {
  const path = install("torn");
  truncateSync(path, statSync(path).size - 1000);
  install("whole");
  await open();
  const [{ code, message }, text] = await Promise.all([refusal(begin("torn")), transcribe("whole")]);
  expect([code, message]).toEqual([
    "model_unavailable",
    "The model 'torn' cannot be used: its file is damaged, or no model",
  ]);
  expect(text).not.toBe("");
  copyFileSync(demoModel, path);
  expect(await transcribe("torn")).toBe(text);
});

test("the bound of memory makes models take turns, and requests for all of them are answered in the end", async () => {
  for (const name of ["a", "b", "c"]) install(name);
  const shape = await readShape(demoModel);
  if (!shape) throw new Error("The demo has no shape");
  const maxBytes = 2 * memoryBytes(statSync(demoModel).size, shape, slots);
  const { installed } = await open({ maxBytes });
  expect(installed).toHaveLength(4);
  /** As clients do it: they come again. */
  const patiently = async (id: string): Promise<string> => {
    for (;;) {
      try {
        return await transcribe(id);
      } catch (error) {
        if ((error as AppError).code !== "server_overloaded") throw error;
        await collect(await begin("demo"));
      }
    }
  };
  const said = await Promise.all(["a", "b", "c", "a", "c", "b"].map(patiently));
  expect(new Set(said).size).toBe(1);
  expect(registry?.memory().usedBytes).toBeLessThanOrEqual(maxBytes);
});

test("a model that is removed while it transcribes ends what it has begun", async () => {
  install("a");
  await open();
  const events = await begin("a", "en-long-95s.mp3");
  await registry?.remove("a");
  expect((await refusal(begin("a"))).code).toBe("model_not_found");
  expect((await collect(events)).text.length).toBeGreaterThan(200);
});

test("loading does not hold up others", async () => {
  install("a");
  await open();
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  using _ = (await registry?.use("a", never).finally(() => clearInterval(timer))) as Disposable;
  expect(turns).toBeGreaterThan(0);
});

test("fifty times loaded and unloaded, a model leaves nothing in memory", async () => {
  for (const name of ["a", "b"]) install(name);
  const shape = await readShape(demoModel);
  if (!shape) throw new Error("The demo has no shape");
  const needBytes = memoryBytes(statSync(demoModel).size, shape, slots);
  // room for one of the two: each turn unloads the other
  await open({ maxBytes: 2 * needBytes });
  const turn = async () => {
    for (const id of ["a", "b"]) {
      using model = await (registry as Registry).use(id, never);
      await collect(await start(model.engine));
    }
  };
  for (let round = 0; round < 5; round += 1) await turn();
  Bun.gc(true);
  const before = rssBytes();
  for (let round = 0; round < 25; round += 1) await turn();
  Bun.gc(true);
  // fifty loads of 10 MiB and more
  expect(rssBytes() - before).toBeLessThan(4 * needBytes);
}, 300_000);
