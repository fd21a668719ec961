/** What a process does while native work goes on, by name: `bun child.ts NAME [ARGUMENT]`. It may end in any way. */
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
