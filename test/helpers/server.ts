/** A server over a fake engine, with an upload directory of its own that must be empty when a test ends. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, loadConfig } from "../../src/config.ts";
import type { LogFields, Logger } from "../../src/log.ts";
import { createServer } from "../../src/server.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { Store } from "../../src/store/store.ts";
import { FakeEngine } from "./engine.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

export interface TestServer extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly log: readonly LogLine[];
  readonly uploadDir: string;
  readonly app: ReturnType<typeof createServer>;
  /** In-process. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Serves it on a free port; gives the port. */
  listen(): number;
  /** Resolves with the first line of the log, past or future, that fits. */
  logged(fits: (line: LogLine) => boolean): Promise<LogLine>;
  /** Tells that the server stops. */
  readonly stopping: AbortController;
  /** Names in the upload directory. */
  leftovers(): Promise<string[]>;
}

/** A store that goes with the test. */
export const memoryStore = (): Store =>
  openSqliteStore(":memory:", { ttlMs: 60_000, maxBytes: 16 * 2 ** 20 });

interface Settings {
  readonly config?: Partial<Config>;
  readonly engine?: FakeEngine;
  readonly hasVad?: boolean;
  /** Default: one in memory. */
  readonly store?: Store;
}

/** Disposal fails when a temporary file is left. */
export async function testServer(settings: Settings = {}): Promise<TestServer> {
  const { engine = new FakeEngine(), hasVad = false, store = memoryStore() } = settings;
  const uploadDir = await mkdtemp(join(tmpdir(), "http-test-"));
  const config: Config = { ...loadConfig({}).config, uploadDir, ...settings.config };
  const log: LogLine[] = [];
  const listeners = new Set<(line: LogLine) => void>();
  const at =
    (level: LogLine["level"]) =>
    (message: string, fields: LogFields = {}) => {
      const line = { level, message, fields };
      log.push(line);
      for (const listener of listeners) listener(line);
    };
  const logger: Logger = { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
  const stopping = new AbortController();
  const { signal } = stopping;
  const deps = {
    ...{ config, log: logger, engine, store, runs: new Map() },
    hasVad: () => hasVad,
    stopping: signal,
    version: "1.2.3",
  };
  const app = createServer(deps);
  const leftovers = () => readdir(uploadDir);
  return {
    engine,
    log,
    uploadDir,
    stopping,
    app,
    fetch: (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
    listen() {
      app.listen({ port: 0, hostname: "127.0.0.1" });
      const port = app.server?.port;
      if (port === undefined) throw new Error("The server does not listen");
      return port;
    },
    async logged(fits) {
      const past = log.find(fits);
      if (past) return past;
      return new Promise((resolve) => listeners.add((line) => fits(line) && resolve(line)));
    },
    leftovers,
    async [Symbol.asyncDispose]() {
      await app.server?.stop(true);
      await store.close();
      const left = await leftovers();
      await rm(uploadDir, { recursive: true });
      if (left.length > 0) throw new Error(`Expected an empty upload directory but found ${left.join(", ")}`);
    },
  };
}

/** A form with one small file and the given fields; a list is sent as repeated `name[]`. */
export function form(
  fields: Record<string, string | readonly string[]> = {},
  file: string | Uint8Array<ArrayBuffer> = "RIFF...",
): RequestInit {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "string") body.append(name, value);
    else for (const item of value) body.append(`${name}[]`, item);
  }
  body.append("file", new File([file], "speech.wav"));
  return { method: "POST", body };
}

/** The error object of a refusal. */
export async function errorOf(response: Response): Promise<Record<string, unknown>> {
  return (await jsonOf<{ error: Record<string, unknown> }>(response)).error;
}

export async function jsonOf<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}
