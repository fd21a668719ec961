/** The real server as a child process, on a free port, with a data directory of its own. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Subprocess } from "bun";
import { vadModel } from "../fixtures/index.ts";

export const root = resolve(import.meta.dir, "../..");

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface Server extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly process: Subprocess;
  readonly dataDir: string;
  readonly uploadDir: string;
  /** What it has logged until now. */
  log(): readonly LogLine[];
  /** Everything on stdout, when it has ended. */
  stdout(): Promise<string>;
  /** Resolves with the first line that `matches`, also one of before; rejects when the process ends without it. */
  logged(matches: (line: LogLine) => boolean): Promise<LogLine>;
  /** Names in the upload directory. */
  leftovers(): Promise<string[]>;
  /** Sends SIGTERM; resolves with the exit code. */
  stop(): Promise<number>;
}

interface Settings {
  /** Kept when given; else made, and removed with the server. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Resolves when it listens. Disposal kills what still runs; a server that failed shows its log. */
export async function startServer({ dataDir, env }: Settings = {}): Promise<Server> {
  const directory = dataDir ?? (await mkdtemp(join(tmpdir(), "whisper-e2e-")));
  const child = Bun.spawn([process.execPath, "src/main.ts", "serve"], {
    cwd: root,
    env: {
      PATH: Bun.env.PATH,
      HOST: "127.0.0.1",
      PORT: "0",
      WHISPER_MODEL: "demo",
      VAD_MODEL: vadModel ?? "off",
      DATA_DIR: directory,
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
  const dispose = async () => {
    child.kill("SIGKILL");
    await child.exited;
    if (dataDir === undefined) await rm(directory, { recursive: true, force: true });
  };
  try {
    const { url } = await log.find(({ message }) => message === "listening");
    const { port } = new URL(String(url));
    const uploadDir = join(directory, "uploads");
    return {
      url: `http://127.0.0.1:${port}`,
      port: Number(port),
      process: child,
      dataDir: directory,
      uploadDir,
      log: () => log.lines,
      stdout: () => stdout,
      logged: (matches) => log.find(matches),
      leftovers: () => readdir(uploadDir).catch(() => []),
      stop() {
        child.kill("SIGTERM");
        return child.exited;
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Splits a child's stderr into log lines; what is no JSON becomes a line of level "raw". */
class LogReader {
  readonly lines: LogLine[] = [];
  private readonly waiting = new Set<() => void>();
  private ended = false;

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.read(stream).finally(() => {
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
