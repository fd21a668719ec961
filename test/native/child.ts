/** What a process does while native work goes on, by name: `bun child.ts NAME [ARGUMENT]`. It may end in any way. */
import { dlopen } from "bun:ffi";
import { readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type NativeError, native } from "../../src/native.ts";
import { recording } from "../fixtures/index.ts";
import {
  decode,
  decodeFixture,
  decodeOptions,
  isTerminal,
  listen,
  liveOptions,
  modelOptions,
  openModel,
  rejection,
  start,
} from "./harness.ts";

const [name = "", argument = ""] = process.argv.slice(2);

const threads = () => readdirSync("/proc/self/task").length;

/** Turns of the event loop and collections until it holds; the process is killed when it never does. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    Bun.gc(true);
    await new Promise(setImmediate);
  }
}

/** Straight to the pipe: process.exit() loses nothing of it. */
const say = (line: string) => void writeSync(1, `${line}\n`);

/** Starts a run of a minute and a half and a decoding, and resolves at the first segment, while both go on. */
async function busy(): Promise<void> {
  const model = await openModel();
  const segment = Promise.withResolvers<void>();
  start(model, await decodeFixture("en-long-95s.mp3"), {}, (event) => {
    if (event.type === "segment") segment.resolve();
    if (isTerminal(event)) say(event.type);
  });
  await segment.promise;
  native.decode(recording("en-long-95s.mp3").path, decodeOptions).result.catch(() => {});
  native.loadModel("models/demo.bin", modelOptions).result.catch(() => {});
  say("busy");
}

/** Starts a worker in a scenario; when it has told that it is where it is to be, `meanwhile` runs and the worker is ended. */
async function endWorker(scenario: string, meanwhile: () => void = () => {}): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { argv: [scenario] });
  const ended = new Promise((resolve) => worker.addEventListener("close", resolve));
  await new Promise((resolve) => worker.addEventListener("message", resolve));
  meanwhile();
  worker.terminate();
  await ended;
}

/** Of threads that do not ask for another size; more than there are addresses: none can be started. */
function setStackBytes(bytes: bigint): void {
  const { symbols } = dlopen("libc.so.6", {
    pthread_attr_init: { args: ["ptr"], returns: "int" },
    pthread_attr_setstacksize: { args: ["ptr", "u64"], returns: "int" },
    pthread_setattr_default_np: { args: ["ptr"], returns: "int" },
  });
  const attributes = new Uint8Array(64);
  symbols.pthread_attr_init(attributes);
  symbols.pthread_attr_setstacksize(attributes, bytes);
  const status = symbols.pthread_setattr_default_np(attributes);
  if (status !== 0) throw new Error(`pthread_setattr_default_np() gave ${status}`);
}

const scenarios: Record<string, () => Promise<void>> = {
  async exit() {
    await busy();
    process.exit(3);
  },

  async rejection() {
    await busy();
    Promise.reject(new Error("nobody catches this"));
  },

  async exception() {
    await busy();
    setTimeout(() => {
      throw new Error("nobody catches this");
    });
  },

  /** The process has nothing more to do, but the run has. */
  async end() {
    start(await openModel(), await decodeFixture("en-digits.wav"), {}, (event) => {
      if (isTerminal(event)) say(event.type);
    });
  },

  async "throwing listener"() {
    process.on("uncaughtException", (error) => say(`uncaught ${error.message}`));
    start(await openModel(), await decodeFixture("en-digits.wav"), {}, (event) => {
      say(event.type);
      if (event.type === "segment") throw new Error("from the listener");
    });
  },

  async "throwing log sink"() {
    process.on("uncaughtException", (error) => say(`uncaught ${error.message}`));
    native.setLog(() => {
      native.setLog(null);
      throw new Error("from the sink");
    });
    const model = await openModel();
    const events = await start(model, await decodeFixture("en-digits.wav")).ended;
    say(events.at(-1)?.type ?? "");
  },

  async "listener that exits"() {
    start(await openModel(), await decodeFixture("en-digits.wav"), {}, () => process.exit(4));
  },

  async "no threads"() {
    const model = await openModel();
    const pcm = await decodeFixture("en-digits.wav");
    const codeOf = (call: () => unknown) => {
      try {
        return call();
      } catch (error) {
        return (error as NativeError).code;
      }
    };
    setStackBytes(1n << 50n);
    const [decoding, loading] = [rejection(decodeFixture("en-digits.wav")), rejection(openModel())];
    const codes = [codeOf(() => start(model, pcm)), codeOf(() => native.openLive(liveOptions, () => {}))];
    setStackBytes(8n << 20n);
    codes.push((await decoding).code, (await loading).code);
    say(codes.join(" "));
    say((await start(model, pcm).ended).at(-1)?.type ?? "");
    await model.close();
  },

  async "workers that are ended"() {
    const before = threads();
    for (const scenario of ["starting worker", "busy worker", "loading worker"]) await endWorker(scenario);
    for (let times = 0; times < 12; times += 1) await endWorker("calling worker");
    await until(() => threads() <= before + 4);
    say("ended");
    process.exit();
  },

  async "starting worker"() {
    busy();
    postMessage("starting");
    await new Promise(() => {});
  },

  async "busy worker"() {
    await busy();
    postMessage("busy");
    await new Promise(() => {});
  },

  async "loading worker"() {
    for (let loads = 0; ; loads += 1) {
      if (loads === 2) postMessage("loading");
      await (await openModel()).close();
    }
  },

  /** Its end finds it within a call as a rule, and many of the calls throw. */
  async "calling worker"() {
    const { path } = recording("en-digits.wav");
    for (let turns = 0; ; turns += 1) {
      if (turns === 1) postMessage("calling");
      for (let calls = 0; calls < 20; calls += 1) {
        native.decode(path, decodeOptions).result.catch(() => {});
        native.openLive(liveOptions, () => {}).append(new Uint8Array(3200));
        try {
          native.decode(path, { ...decodeOptions, maxChannels: 0 });
        } catch {}
      }
      await new Promise(setImmediate);
    }
  },

  async "log of a worker"() {
    const heard = Promise.withResolvers<void>();
    await endWorker("logging worker", () => native.setLog(() => heard.resolve()));
    await (await openModel()).close();
    await heard.promise;
    say("heard");
    await endWorker("logging worker");
    await (await openModel()).close();
    say("loaded");
    process.exit();
  },

  async "logging worker"() {
    native.setLog(() => {});
    postMessage("set");
    await new Promise(() => {});
  },

  /** Loads everything in a folder, and tries what could be loaded. */
  async models() {
    for (const file of readdirSync(argument).sort()) {
      const load = native.loadModel(join(argument, file), modelOptions);
      const loaded = await load.result.catch((error: NativeError) => error);
      if (loaded instanceof Error) {
        say(`${file}: ${loaded.code}, ${loaded.message}`);
        continue;
      }
      // without fallback: what broken weights write is not worth six attempts
      const events = await start(loaded, native.pcm(new Float32Array(32_000)), { temperatureIncrement: 0 })
        .ended;
      say(`${file}: loaded, ${events.at(-1)?.type}`);
    }
  },

  async vad() {
    const model = await openModel();
    const pcm = await decodeFixture("en-digits.wav");
    const [last] = (await start(model, pcm, { vad: true, vadModel: argument }).ended).slice(-1);
    say(last?.type === "error" ? `${last.code} ${last.message}` : (last?.type ?? ""));
  },

  async prompt() {
    const model = await openModel();
    const prompt = argument.repeat(64_000 / argument.length);
    const events = await start(model, await decodeFixture("en-digits.wav"), { prompt }).ended;
    say(events.at(-1)?.type ?? "");
  },

  async "live threads"() {
    const lives = 40;
    const before = threads();
    /** Each has its thread, and a listener that holds the Live. */
    const open = () =>
      Array.from({ length: lives }, () => {
        const { live } = listen({}, () => live.forget(live.appendedMs));
        live.append(new Uint8Array(32_000));
        return live;
      });
    const opened = open();
    await until(() => threads() >= before + lives);
    say("opened");
    for (const live of opened) live.close();
    await until(() => threads() < before + lives / 2);
    say("closed");
    open();
    say("opened");
    await until(() => threads() < before + lives / 2);
    say("collected");
    const worker = new Worker(new URL(import.meta.url), { argv: ["live worker"] });
    await new Promise((resolve) => worker.addEventListener("message", resolve));
    if (threads() < before + lives) say("The worker's threads are missing");
    worker.terminate();
    await until(() => threads() < before + lives / 2);
    say("a worker ended");
    process.exit();
  },

  async "live worker"() {
    const lives = Array.from({ length: 40 }, () => native.openLive(liveOptions, () => {}));
    for (const live of lives) live.append(new Uint8Array(32_000));
    postMessage("open");
    await new Promise(() => lives);
  },

  async "live exit"() {
    for (let i = 0; i < 8; i += 1) {
      const { live } = listen({ vadModel: argument, maxBufferedMs: 3_600_000 }, () => process.exit(5));
      live.append(new Uint8Array(20 * 60 * 32_000));
      live.pcm(0, 60_000).catch(() => {});
    }
  },

  async "live end"() {
    const { live, heard } = listen();
    live.append(new Uint8Array(96_000));
    await heard(93);
    const { durationMs } = await live.pcm(0, live.appendedMs);
    say(`${durationMs}`);
    live.close();
  },

  async "live listener that throws"() {
    process.on("uncaughtException", (error) => say(`uncaught ${error.message}`));
    const { live, heard } = listen({}, () => {
      throw new Error("from the listener");
    });
    live.append(new Uint8Array(1024));
    await heard(1);
    live.append(new Uint8Array(1024));
    await heard(2);
    live.close();
  },

  async "cancel at any time"() {
    const model = await openModel();
    const pcm = await decodeFixture("en-digits.wav");
    const ends = new Set<string>();
    for (let ms = 0; ms < 400; ms += 40) {
      const { run, ended } = start(model, pcm);
      setTimeout(() => run.cancel(), ms);
      const last = (await ended).at(-1);
      ends.add(last?.type === "error" ? last.code : (last?.type ?? ""));
    }
    say([...ends].sort().join(" "));
    say((await rejection(decode("missing.wav"))).code);
  },
};

const scenario = scenarios[name];
if (!scenario) throw new Error(`Expected one of ${Object.keys(scenarios)} but received ${name}`);
await scenario();
