/** The two servers under comparison, started as children with equal parameters. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { cache, root } from "./build.ts";
import { stream, transcribe } from "./client.ts";
import { cpuMs, peakBytes, spawn, stop, tail, temporaryFolder } from "./process.ts";

/** How all contenders decode. */
export interface Decoding {
  readonly model: string;
  readonly threads: number;
  /** Windows decoded together by whisper-api; whisper-server does one run at a time. */
  readonly slots: number;
  readonly beamSize: number;
  readonly bestOf: number;
}

export type ServerName = "whisper-api" | "whisper-server";

interface More {
  readonly signal?: AbortSignal;
  readonly fields?: Readonly<Record<string, string>>;
}

/** A started server. */
export interface Server {
  readonly name: ServerName;
  /** e.g. http://127.0.0.1:8000 */
  readonly url: string;
  /** Of every request, so that all contenders decode alike. */
  readonly fields: Readonly<Record<string, string>>;
  /** The written text of a recording. `fields`: of the form, beside those that all requests have. */
  transcribe(recording: string, language: string, more?: More): Promise<string>;
  /** The same, streamed, and when its first text came. Only whisper-api streams. */
  stream(recording: string, language: string): Promise<{ text: string; firstMs: number }>;
  /** CPU time so far, or null where the system does not tell. */
  cpuMs(): number | null;
  /** Most memory so far, or null as above. */
  peakBytes(): number | null;
  /** Resolves when it computes no more: it must not disturb the other one. Throws when it goes on for a minute. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

interface Means {
  readonly port: number;
  /** Empty, of its own. */
  readonly folder: string;
  /** Path of whisper-server. */
  readonly program: string;
}

interface Launch {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Path that answers 200 once the weights are loaded. */
  readonly ready: string;
  /** Fields of every request that make the decoding equal. */
  readonly fields: Readonly<Record<string, string>>;
}

const endpoint = "/v1/audio/transcriptions";
const startLimitMs = 60_000;

const launches = {
  "whisper-api": (
    { model, threads, slots, beamSize, bestOf }: Decoding,
    { port, folder }: Means,
  ): Launch => ({
    command: [process.execPath, join(root, "src", "main.ts"), "serve"],
    env: {
      HOST: "127.0.0.1",
      PORT: String(port),
      WHISPER_MODEL: model,
      VAD_MODEL: "off",
      THREADS: String(threads),
      SLOTS: String(slots),
      MAX_SESSIONS_PER_CALLER: "64",
      DATA_DIR: folder,
      LOG_FORMAT: "json",
    },
    ready: "/ready",
    fields: { beam_size: String(beamSize), best_of: String(bestOf) },
  }),
  "whisper-server": ({ model, threads, beamSize, bestOf }: Decoding, { port, program }: Means): Launch => ({
    command: [
      ...[program, "--host", "127.0.0.1", "--port", String(port), "--inference-path", endpoint],
      ...["-m", model, "-t", String(threads)],
    ],
    env: {},
    ready: "/health",
    // By default it computes the times of all tokens, which the others do only when asked to.
    fields: { beam_size: String(beamSize), best_of: String(bestOf), token_timestamps: "false" },
  }),
};

/**
 * Starts a server and waits until it is ready. `program` is whisper-server's path, `more` goes into the environment. Throws with the end of its log when it
 * does not get there.
 */
export async function startServer(
  name: ServerName,
  decoding: Decoding,
  program: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const port = freePort();
  const folder = temporaryFolder();
  const launch = launches[name](decoding, { port, folder, program });
  mkdirSync(cache, { recursive: true });
  const logPath = join(cache, `${name}.log`);
  const log = openSync(logPath, "w");
  const env = { ...inherited(), ...launch.env, ...more };
  const child = spawn([...launch.command], { stdout: log, stderr: log }, { cwd: folder, env });
  closeSync(log);

  const base = `http://127.0.0.1:${port}`;
  const giveUpAtMs = performance.now() + startLimitMs;
  while (!(await answers(base + launch.ready))) {
    if (child.exitCode !== null || performance.now() > giveUpAtMs) {
      await stop(child);
      throw new Error(`${name} did not start:\n${tail(logPath)}`);
    }
    await Bun.sleep(50);
  }

  const request = (recording: string, language: string, { signal, fields }: More = {}) => ({
    url: base + endpoint,
    recording,
    fields: { model: "whisper-1", response_format: "json", language, ...launch.fields, ...fields },
    signal,
  });
  return {
    name,
    url: base,
    fields: launch.fields,
    transcribe: (recording, language, more) => transcribe(request(recording, language, more)),
    stream: (recording, language) => stream(request(recording, language)),
    cpuMs: () => cpuMs(child.pid),
    peakBytes: () => peakBytes(child.pid),
    async idle() {
      for (let round = 0; round < 600; round++) {
        const before = cpuMs(child.pid);
        await Bun.sleep(100);
        if (before === null || (cpuMs(child.pid) ?? 0) - before <= 10) return;
      }
      throw new Error(`${name} is still computing a minute after its last answer`);
    },
    stop: () => stop(child),
  };
}

/** No more than programs need to run: settings of this shell or of a .env file must not reach one of the two. */
function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "LD_LIBRARY_PATH"];
  return Object.fromEntries(names.map((name) => [name, Bun.env[name] ?? ""]));
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    return false;
  }
}

/** whisper-server cannot choose a port itself. Another program may take it meanwhile; the start then fails, and says so. */
function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}
