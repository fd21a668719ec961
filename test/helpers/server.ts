/** A server over a fake engine, with an upload directory of its own that must be empty when a test ends. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/settings.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { audioOf } from "../../src/http/limits.ts";
import { Metrics } from "../../src/metrics.ts";
import { openOutbound } from "../../src/net/outbound.ts";
import type { SharedRun } from "../../src/results/shared-run.ts";
import { createServer } from "../../src/server.ts";
import { DiskBlobs } from "../../src/store/blobs/disk.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { Store } from "../../src/store/store.ts";
import { TaskService } from "../../src/tasks/tasks.ts";
import type { TaskWatchers } from "../../src/tasks/watchers.ts";
import { TaskWebhooks } from "../../src/tasks/webhooks.ts";
import { FakeEngine } from "./engine.ts";
import { temporaryFolder } from "./folder.ts";
import { type LogLine, recordingLog } from "./log.ts";
import { FakeModels } from "./models.ts";
import { cacheLimits } from "./stores.ts";

export interface TestServer<E extends Engine = FakeEngine> extends AsyncDisposable {
  readonly engine: E;
  readonly store: Store;
  readonly webhooks: TaskWebhooks;
  readonly tasks: TaskService;
  readonly models: FakeModels<E>;
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
  /** Recordings that wait. */
  blobs(): Promise<string[]>;
  /** Names in the upload directory. */
  leftovers(): Promise<string[]>;
}

interface Settings<E extends Engine> {
  readonly config?: Partial<Config>;
  /** That of WHISPER_MODEL; default: a FakeEngine. */
  readonly engine?: E;
  /** Of further models. */
  readonly others?: readonly Engine[];
  readonly hasVad?: boolean;
  /** Default: one in memory. */
  readonly store?: Store;
  /** Tasks that are worked on at the same time; default: none is, and nothing is delivered. */
  readonly workers?: number;
  /** Default: its webhooks. */
  readonly watchers?: TaskWatchers;
}

/** Disposal fails when a temporary file is left. */
export async function testServer<E extends Engine = FakeEngine>(
  settings: Settings<E> = {},
): Promise<TestServer<E>> {
  const { engine = new FakeEngine() as Engine as E, hasVad = false } = settings;
  const models = new FakeModels(engine, settings.others);
  const folder = temporaryFolder();
  const dataDir = folder.path;
  const uploadDir = join(dataDir, "uploads");
  await mkdir(uploadDir);
  const config: Config = { ...loadConfig({}).config, dataDir, uploadDir, ...settings.config };
  const listeners = new Set<(line: LogLine) => void>();
  const { log: logger, lines: log } = recordingLog((line) => {
    for (const listener of listeners) listener(line);
  });
  const blobDir = join(dataDir, "blobs");
  const blobs = new DiskBlobs(blobDir);
  const store = settings.store ?? openSqliteStore(":memory:", { log: logger, cache: cacheLimits, blobs });
  const outbound = openOutbound({ allowPrivate: config.webhookAllowPrivate });
  const metrics = new Metrics();
  const webhooks = new TaskWebhooks({
    ...{ webhooks: store.webhooks, jobs: store.jobs, tasks: store.tasks, log: logger, metrics, outbound },
    publicUrl: config.publicUrl,
  });
  const runs = {
    models,
    vadDigest: Promise.resolve("vad"),
    store,
    runs: new Map<string, SharedRun>(),
    log: logger,
    metrics,
  };
  const tasks = new TaskService({
    deps: runs,
    ttlMs: config.taskTtlMs,
    audio: audioOf(store.limiter, metrics),
    watchers: settings.watchers ?? webhooks,
    limits: { perCaller: config.maxTasksPerCaller, maxBytes: config.maxTaskBytes },
  });
  if (settings.workers) tasks.start(settings.workers);
  if (settings.workers) webhooks.start();
  const stopping = new AbortController();
  const { signal } = stopping;
  const deps = {
    ...runs,
    ...{ config, outbound, tasks, webhooks },
    hasVad: () => hasVad,
    stopping: signal,
    version: "1.2.3",
  };
  const app = createServer(deps);
  const leftovers = () => readdir(uploadDir);
  return {
    engine,
    store,
    webhooks,
    tasks,
    models,
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
    blobs: () => readdir(blobDir).catch(() => []),
    leftovers,
    async [Symbol.asyncDispose]() {
      await app.server?.stop(true);
      await tasks.close(0);
      await webhooks.close(0);
      await store.close();
      const left = await leftovers();
      folder[Symbol.dispose]();
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
