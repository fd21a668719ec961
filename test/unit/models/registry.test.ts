import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../../src/engine/engine.ts";
import { Metrics } from "../../../src/metrics.ts";
import type { EnsuredModel } from "../../../src/models/ensure.ts";
import { Registry, type RegistryOptions } from "../../../src/models/registry.ts";
import { bytesPerSlot, memoryBytes, readShape, type Shape, shapeNamed } from "../../../src/models/shape.ts";
import { FakeEngine, testModel } from "../../helpers/engine.ts";
import { folderForEachTest } from "../../helpers/folder-hooks.ts";
import { refusal } from "../../helpers/refusal.ts";

const folder = folderForEachTest();

const tiny = shapeNamed("tiny");
const fileBytes = 10 * 2 ** 20;
const slots = 2;
/** Of one of these files. */
const needBytes = memoryBytes(fileBytes, tiny, slots);

/** A file with a model's header, and nothing in it. */
function install(name: string, shape: Shape = tiny): string {
  const path = join(folder.path, `${name}.bin`);
  const { vocabulary, audioContext, audioWidth, audioLayers, textContext, textWidth, textHeads, textLayers } =
    shape;
  const header = [
    0x67676d6c,
    vocabulary,
    audioContext,
    audioWidth,
    6,
    audioLayers,
    textContext,
    textWidth,
    textHeads,
  ];
  writeFileSync(path, new Uint8Array(Int32Array.from([...header, textLayers, 80, 1]).buffer));
  truncateSync(path, fileBytes);
  return path;
}

class LoadedEngine extends FakeEngine {
  closed = false;
  override readonly load = { running: 0, queued: 0, maxRunning: 1, maxQueued: 1 };

  constructor(
    id: string,
    readonly slotsBytes: number,
  ) {
    super({ ...testModel, id });
  }

  override async close(): Promise<void> {
    this.closed = true;
  }
}

/** A registry over engines without weights, and a clock that stands still. */
async function open(options: Partial<RegistryOptions> = {}) {
  const engines: LoadedEngine[] = [];
  const timers = new Set<() => void>();
  const lines: string[] = [];
  const note = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  let beforeLoad: (model: EnsuredModel) => Promise<unknown> = async () => {};
  const registry = await Registry.open({
    dir: folder.path,
    url: "http://127.0.0.1:1/models",
    standard: { path: install("own"), id: "own", warning: null },
    slots,
    maxBytes: 0,
    ttlMs: 1000,
    status: () => ({ running: 0, queued: 0, maxRunning: 1, maxQueued: 1 }),
    log: { debug: note, info: note, warn: note, error: note },
    metrics: new Metrics(),
    clock: {
      after(_, act) {
        timers.add(act);
        return () => timers.delete(act);
      },
    },
    async open(model, slotsBytes): Promise<Engine> {
      await beforeLoad(model);
      const engine = new LoadedEngine(model.id, slotsBytes);
      engines.push(engine);
      return engine;
    },
    ...options,
  });
  return {
    registry,
    engines,
    lines,
    timers,
    loaded: () => registry.installed.filter(({ isLoaded }) => isLoaded).map(({ id }) => id),
    onLoad(act: (model: EnsuredModel) => Promise<unknown>) {
      beforeLoad = act;
    },
    /** Further loads begin, and go on when `release` is called. */
    holdLoads() {
      const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      beforeLoad = () => {
        begun.resolve();
        return released.promise;
      };
      return { begun: begun.promise, release: released.resolve };
    },
    /** MODEL_TTL has passed for all that wait. */
    pass() {
      for (const act of [...timers]) {
        timers.delete(act);
        act();
      }
    },
    use: (id: string | null, signal = new AbortController().signal) => registry.use(id, signal),
    /** Uses it once. */
    async touch(id: string) {
      using use = await registry.use(id, new AbortController().signal);
      return use.engine as LoadedEngine;
    },
  };
}

/** Lets everything happen that waits for nothing. */
async function settle() {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

describe("the model of WHISPER_MODEL", () => {
  test("is there from the start and answers where none is named", async () => {
    const { registry, use, loaded } = await open();
    expect(loaded()).toEqual(["own"]);
    using byDefault = await use(null);
    using byName = await use("own");
    expect(byDefault.engine).toBe(registry.defaultEngine);
    expect(byName.engine).toBe(registry.defaultEngine);
  });

  test("stays, idle or not, and cannot be removed", async () => {
    const { registry, pass, touch, loaded } = await open();
    await touch("own");
    pass();
    expect(loaded()).toEqual(["own"]);
    expect((await refusal(registry.remove("own"))).code).toBe("model_in_use");
    expect(existsSync(join(folder.path, "own.bin"))).toBe(true);
  });

  test("that the addon refuses is the addon's error", async () => {
    const failing = open({ open: () => Promise.reject(new Error("bad weights")) });
    expect(failing).rejects.toThrow("bad weights");
  });
});

describe("a model", () => {
  test("is loaded once for all who ask at the same time, and shared", async () => {
    install("ggml-a");
    const { use, engines, holdLoads, loaded } = await open();
    const gate = holdLoads();
    const waiting = Array.from({ length: 5 }, () => use("a"));
    await gate.begun;
    gate.release();
    const uses = await Promise.all(waiting);
    expect(new Set(uses.map(({ engine }) => engine)).size).toBe(1);
    expect(engines.map(({ model }) => model.id)).toEqual(["own", "a"]);
    expect(loaded()).toEqual(["own", "a"]);
    for (const each of uses) each[Symbol.dispose]();
  });

  test("is unloaded when it has been idle for MODEL_TTL, not while it is held or has work", async () => {
    install("a");
    const { use, engines, pass, loaded, timers } = await open();
    const held = await use("a");
    pass();
    expect(loaded()).toEqual(["own", "a"]);
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    const engine = engines[1];
    if (!engine) throw new Error("a is not loaded");
    for (const load of [
      { running: 1, queued: 0 },
      { running: 0, queued: 1 },
    ]) {
      Object.assign(engine.load, load);
      pass();
      expect(loaded()).toEqual(["own", "a"]);
    }
    Object.assign(engine.load, { running: 0, queued: 0 });
    pass();
    await settle();
    expect([loaded(), engine.closed, timers.size]).toEqual([["own"], true, 0]);
    using again = await use("a");
    expect(again.engine).not.toBe(engine);
  });

  test("that two hold is not let go of by one of them twice", async () => {
    install("a");
    const { use, pass, loaded } = await open();
    const [first, second] = [await use("a"), await use("a")];
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    pass();
    expect(loaded()).toEqual(["own", "a"]);
    second[Symbol.dispose]();
  });

  test("is not waited for by who leaves before it begins to load", async () => {
    install("a");
    const { use, holdLoads } = await open();
    const gate = holdLoads();
    const leaving = new AbortController();
    const waiting = refusal(use("a", leaving.signal));
    leaving.abort();
    expect((await waiting).code).toBe("request_cancelled");
    gate.release();
  });

  test("stays for ever with a MODEL_TTL of 0", async () => {
    install("a");
    const { touch, timers } = await open({ ttlMs: 0 });
    await touch("a");
    expect(timers.size).toBe(0);
  });

  test("goes on loading when who asked for it leaves, and rests then", async () => {
    install("a");
    const { use, holdLoads, loaded, pass } = await open();
    const gate = holdLoads();
    const leaving = new AbortController();
    const waiting = refusal(use("a", leaving.signal));
    await gate.begun;
    leaving.abort();
    expect((await waiting).code).toBe("request_cancelled");
    gate.release();
    await settle();
    expect(loaded()).toEqual(["own", "a"]);
    pass();
    await settle();
    expect(loaded()).toEqual(["own"]);
    expect((await refusal(use("a", AbortSignal.abort()))).code).toBe("request_cancelled");
  });

  test.each([
    ["bad_model", "model_unavailable", "The model 'a' cannot be used: its file is damaged, or no model"],
    ["io", "model_unavailable", "The model 'a' cannot be used: its file cannot be read"],
    ["out_of_memory", "server_overloaded", "The model 'a' cannot be loaded now: there is not enough memory"],
    ["internal", "model_unavailable", "The model 'a' cannot be used: it could not be loaded"],
  ])("that the addon refuses with %s is %s, and it can be had later", async (native, code, message) => {
    install("a");
    const { use, touch, onLoad, registry } = await open();
    onLoad(() => Promise.reject(Object.assign(new Error("/secret/path"), { code: native })));
    const [first, second] = await Promise.all([refusal(use("a")), refusal(use("a"))]);
    expect([first.code, first.message, second.code]).toEqual([code as never, message, code as never]);
    expect(registry.memory().usedBytes).toBe(needBytes);
    onLoad(async () => {});
    // a file that is damaged is not tried again until it is another
    if (native === "bad_model") {
      expect((await refusal(use("a"))).message).toBe(message);
      utimesSync(join(folder.path, "a.bin"), 1, 1);
    }
    expect((await touch("a")).model.id).toBe("a");
  });

  test("that is not there is model_not_found, which says how one of the catalogue is installed", async () => {
    install("silero");
    writeFileSync(join(folder.path, "notes.bin"), "not a model");
    writeFileSync(join(folder.path, "ggml-silero-v6.2.0.bin"), "detects");
    const { use } = await open();
    for (const id of [
      "b",
      "notes",
      "silero-v6.2.0",
      "../own",
      "own.bin",
      "/etc/passwd",
      "",
      "__proto__",
      "x\n'",
    ]) {
      const { code, message } = await refusal(use(id));
      expect([id, code, message]).toEqual([id, "model_not_found", expect.stringContaining("does not exist")]);
    }
    expect((await refusal(use("base.en"))).message).toContain("POST /v1/models/base.en");
  });

  test("copied into the folder by hand is found, and one that vanished is not", async () => {
    const { use, touch, registry } = await open();
    await refusal(use("late"));
    const path = install("late");
    expect((await touch("late")).model.id).toBe("late");
    rmSync(path);
    expect((await registry.list()).map(({ id }) => id)).toEqual(["own"]);
  });

  test("with a damaged header is listed, so that it can be installed again", async () => {
    writeFileSync(join(folder.path, "ggml-tiny.bin"), "torn");
    const { registry } = await open();
    expect(await registry.list()).toMatchObject([{ id: "own" }, { id: "tiny", memoryBytes: null }]);
  });
});

describe("MODEL_MEMORY", () => {
  test("lets idle models go, the least recently used first", async () => {
    for (const name of ["a", "b", "c"]) install(name);
    const { touch, use, engines, loaded, registry } = await open({ maxBytes: 3 * needBytes });
    await touch("a");
    await touch("b");
    await touch("a");
    expect(loaded()).toEqual(["own", "a", "b"]);
    await touch("c");
    expect(loaded()).toEqual(["own", "a", "c"]);
    expect(engines.find(({ model }) => model.id === "b")?.closed).toBe(true);
    expect(registry.memory()).toEqual({ usedBytes: 3 * needBytes, maxBytes: 3 * needBytes });
    using _ = await use("c");
    await touch("b");
    expect(loaded()).toEqual(["own", "b", "c"]);
  });

  test("waits for the memory of the one that goes, before the next is loaded", async () => {
    for (const name of ["a", "b"]) install(name);
    const { touch, use, onLoad } = await open({ maxBytes: 2 * needBytes });
    const first = await touch("a");
    const closing = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    first.close = async () => {
      asked.resolve();
      await closing.promise;
      first.closed = true;
    };
    const closedAtLoad: boolean[] = [];
    onLoad(async () => closedAtLoad.push(first.closed));
    const waiting = use("b");
    await asked.promise;
    closing.resolve();
    (await waiting)[Symbol.dispose]();
    expect(closedAtLoad).toEqual([true]);
  });

  test("refuses with 503 and a time to come back while all others are in use", async () => {
    for (const name of ["a", "b"]) install(name);
    const { use, touch } = await open({ maxBytes: 2 * needBytes });
    const held = await use("a");
    const { code, retryAfterSeconds } = await refusal(use("b"));
    expect([code, retryAfterSeconds]).toEqual(["server_overloaded", 10]);
    held[Symbol.dispose]();
    expect((await touch("b")).model.id).toBe("b");
  });

  test("counts a model that is loading as in use", async () => {
    for (const name of ["a", "b"]) install(name);
    const { use, holdLoads } = await open({ maxBytes: 2 * needBytes });
    const gate = holdLoads();
    const waiting = use("a");
    await gate.begun;
    expect((await refusal(use("b"))).code).toBe("server_overloaded");
    gate.release();
    await waiting;
  });

  test("leaves a large model fewer slots rather than none of it", async () => {
    const large = shapeNamed("large-v3");
    install("large", large);
    const maxBytes = needBytes + memoryBytes(fileBytes, large, 1);
    const { touch, registry } = await open({ maxBytes });
    const { slotsBytes } = await touch("large");
    expect(slotsBytes).toBe(bytesPerSlot(large));
    expect(registry.memory().usedBytes).toBe(maxBytes);
    expect(registry.installed).toMatchObject([
      { id: "own" },
      { memoryBytes: memoryBytes(fileBytes, large, 1) },
    ]);
  });

  test("refuses for good what never fits", async () => {
    install("large", shapeNamed("large-v3"));
    const large = memoryBytes(fileBytes, shapeNamed("large-v3"), 1);
    // it would, if there were no WHISPER_MODEL
    const { use, loaded } = await open({ maxBytes: needBytes + large - 1 });
    const { code, message } = await refusal(use("large"));
    expect(code).toBe("model_unavailable");
    expect(message).toMatch(/^The model 'large' needs \d+ MiB, and MODEL_MEMORY leaves \d+ MiB for it$/);
    expect(loaded()).toEqual(["own"]);
  });

  test("that is too small for WHISPER_MODEL is warned about", async () => {
    const { lines } = await open({ maxBytes: 2 ** 20 });
    expect(lines.join()).toContain("WHISPER_MODEL needs more than MODEL_MEMORY");
  });
});

describe("removing a model", () => {
  test("takes its file and its digest at once; who uses it keeps it, and nobody new gets it", async () => {
    const path = install("a");
    writeFileSync(`${path}.sha256`, "");
    const { use, registry, engines } = await open();
    const held = await use("a");
    await registry.remove("a");
    expect(readdirSync(folder.path)).toEqual(["own.bin"]);
    expect((await refusal(use("a"))).code).toBe("model_not_found");
    const [, engine] = engines;
    expect(engine?.closed).toBe(false);
    expect(registry.memory().usedBytes).toBe(2 * needBytes);
    held[Symbol.dispose]();
    await settle();
    expect(engine?.closed).toBe(true);
    expect(registry.memory().usedBytes).toBe(needBytes);
  });

  test("unloads it at once when nobody uses it", async () => {
    install("a");
    const { touch, registry } = await open();
    const engine = await touch("a");
    await registry.remove("a");
    await settle();
    expect(engine.closed).toBe(true);
  });

  test("that loads ends with its load", async () => {
    install("a");
    const { use, registry, holdLoads, engines } = await open();
    const gate = holdLoads();
    const waiting = use("a");
    await gate.begun;
    await registry.remove("a");
    gate.release();
    (await waiting)[Symbol.dispose]();
    await settle();
    expect(engines[1]?.closed).toBe(true);
  });

  test("and installing another of its name gives the new one", async () => {
    install("a");
    const { use, registry, touch } = await open();
    using old = await use("a");
    await registry.remove("a");
    install("a");
    expect(await touch("a")).not.toBe(old.engine as LoadedEngine);
  });

  test("that is not there is model_not_found", async () => {
    const { registry } = await open();
    expect((await refusal(registry.remove("base"))).code).toBe("model_not_found");
    expect((await refusal(registry.remove("../own"))).code).toBe("model_not_found");
  });
});

describe("installing", () => {
  const pull = async (registry: Registry, id: string) =>
    Array.fromAsync(registry.pull(id, new AbortController().signal));

  test("what is not in the catalogue is refused with the nearest names, unless it is there", async () => {
    install("ggml-mine");
    const { registry } = await open();
    const { code, message } = await refusal(pull(registry, "large"));
    expect(code).toBe("model_not_found");
    expect(message).toStartWith("The model 'large' is not in the catalogue. The nearest names: large-v");
    expect((await refusal(pull(registry, "silero-v6.2.0"))).code).toBe("model_not_found");
    expect(await pull(registry, "mine")).toEqual([]);
  });

  test("without a network fails with a reason", async () => {
    const { registry } = await open();
    const { code, message } = await refusal(pull(registry, "tiny-q5_1"));
    expect(code).toBe("model_download_failed");
    expect(message).toContain("http://127.0.0.1:1/models/ggml-tiny-q5_1.bin cannot be reached");
  });

  test("of all that could be, the list has what is not there yet", async () => {
    install("ggml-base");
    const { registry } = await open();
    const ids = registry.available.map(({ id }) => id);
    expect(ids).toContain("tiny");
    expect(ids).not.toContain("base");
    const tiny = registry.available.find(({ id }) => id === "tiny");
    expect(tiny?.memoryBytes).toBe(memoryBytes(77_691_713, shapeNamed("tiny"), slots));
  });
});

test("closing ends all engines, also one that still loads, and lets nobody in", async () => {
  for (const name of ["a", "b"]) install(name);
  const { use, touch, registry, engines, holdLoads, timers } = await open();
  await touch("a");
  const gate = holdLoads();
  const loading = use("b");
  await gate.begun;
  const closing = registry.close(0);
  rmSync(join(folder.path, "a.bin"));
  gate.release();
  await closing;
  (await loading)[Symbol.dispose]();
  expect(engines.map(({ model, closed }) => [model.id, closed])).toEqual([
    ["own", true],
    ["a", true],
    ["b", true],
  ]);
  install("c");
  expect((await refusal(use("c"))).code).toBe("server_shutting_down");
  expect(timers.size).toBe(0);
});

test("the headers that these tests write are read as they were meant", async () => {
  expect(await readShape(install("x", shapeNamed("large-v3-turbo")))).toEqual(shapeNamed("large-v3-turbo"));
});
