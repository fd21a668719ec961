/** The real server as a child process, on a free port, with a data directory of its own. */
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Subprocess } from "bun";
import { vadModel } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";

export const root = resolve(import.meta.dir, "../..");

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A process of the program. */
export interface Program extends AsyncDisposable {
  readonly process: Subprocess;
  readonly dataDir: string;
  /** What it has logged until now. */
  log(): readonly LogLine[];
  /** Everything on stdout, when it has ended. */
  stdout(): Promise<string>;
  /** Resolves with the first line that `matches`, also one of before; rejects when the process ends without it. */
  logged(matches: (line: LogLine) => boolean): Promise<LogLine>;
  /** Sends SIGTERM; resolves with the exit code, when the whole log is read. */
  stop(): Promise<number>;
  /** Sends SIGKILL; resolves when it is dead. */
  kill(): Promise<void>;
}

export interface Server extends Program {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly uploadDir: string;
  /** Names in the upload directory. */
  leftovers(): Promise<string[]>;
}

interface Settings {
  /** Kept when given; else made, and removed with the server. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Before the program: a wrapper of the command, as `prlimit` is. */
  readonly wrapper?: readonly string[];
  /** In place of Bun and the source. */
  readonly program?: readonly string[];
  /** Arguments after the command. */
  readonly args?: readonly string[];
}

/** Resolves when it listens. Disposal kills what still runs; a server that failed shows its log. */
export async function startServer(settings: Settings = {}): Promise<Server> {
  const program = await startProgram("serve", "listening", settings);
  const { url } = await program.logged(({ message }) => message === "listening");
  const { port } = new URL(String(url));
  const uploadDir = join(program.dataDir, "uploads");
  return {
    ...program,
    url: `http://127.0.0.1:${port}`,
    port: Number(port),
    uploadDir,
    leftovers: () => readdir(uploadDir).catch(() => []),
  };
}

/** Resolves when it waits for tasks. Disposal as of a server. */
export function startWorker(settings: Settings = {}): Promise<Program> {
  return startProgram("worker", "working", settings);
}

const fromSource = [process.execPath, "src/main.ts"];

/** Resolves with the line `begun` of its log. */
async function startProgram(
  command: string,
  begun: string,
  { dataDir, env, wrapper = [], program = fromSource, args = [] }: Settings,
): Promise<Program> {
  const folder = dataDir === undefined ? temporaryFolder() : { path: dataDir, [Symbol.dispose]() {} };
  const child = Bun.spawn([...wrapper, ...program, command, ...args], {
    cwd: root,
    env: {
      PATH: Bun.env.PATH,
      HOST: "127.0.0.1",
      PORT: "0",
      WHISPER_MODEL: "demo",
      VAD_MODEL: vadModel ?? "off",
      DATA_DIR: folder.path,
      LOG_FORMAT: "json",
      THREADS: "1",
      // Nothing is to be fetched from anywhere.
      MODELS_URL: "http://127.0.0.1:1",
      VAD_URL: "http://127.0.0.1:1",
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const log = new LogReader(child.stderr);
  const stdout = new Response(child.stdout).text();
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  const dispose = async () => {
    await kill();
    folder[Symbol.dispose]();
  };
  try {
    await log.find(({ message }) => message === begun);
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    process: child,
    dataDir: folder.path,
    log: () => log.lines,
    stdout: () => stdout,
    logged: (matches) => log.find(matches),
    async stop() {
      child.kill("SIGTERM");
      await log.end;
      return child.exited;
    },
    kill,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Splits a child's stderr into log lines; what is no JSON becomes a line of level "raw". */
class LogReader {
  readonly lines: LogLine[] = [];
  /** Of the stream. */
  readonly end: Promise<void>;
  private readonly waiting = new Set<() => void>();
  private ended = false;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.end = this.read(stream).finally(() => {
      this.ended = true;
      this.wake();
    });
  }

  async find(matches: (line: LogLine) => boolean): Promise<LogLine> {
    for (;;) {
      const found = this.lines.find(matches);
      if (found) return found;
      if (this.ended) throw new Error(`The server ended without the line. It logged:\n${this.text()}`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  private text(): string {
    return this.lines.map((line) => JSON.stringify(line)).join("\n");
  }

  private async read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const pieces = (rest + text).split("\n");
      rest = pieces.pop() ?? "";
      this.lines.push(...pieces.map(parse));
      this.wake();
    }
    if (rest !== "") this.lines.push(parse(rest));
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}

function parse(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { level: "raw", message: text };
  }
}

/** Asks `read` again until its answer is `accepted`; the test's own time limit ends it. */
export async function eventually<T>(read: () => Promise<T>, accepted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (accepted(value)) return value;
    await Bun.sleep(10);
  }
}
