import { version } from "../package.json";
import { downloadProgress } from "./cli/progress.ts";
import { type Config, defaultSlots, threadsOn } from "./config.ts";
import type { Engine } from "./engine/engine.ts";
import { openWhisperEngine } from "./engine/whisper.ts";
import type { Deps } from "./http/deps.ts";
import { audioOf } from "./http/limits.ts";
import type { Logger } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { ensureModel, ensureVad, ModelError } from "./models/ensure.ts";
import { native } from "./native.ts";
import { type Outbound, openOutbound } from "./net/outbound.ts";
import { openBlobs } from "./store/blobs/open.ts";
import { openSqliteStore } from "./store/sqlite/open.ts";
import type { Store } from "./store/store.ts";
import { TaskService } from "./tasks/tasks.ts";
import type { TaskWatchers } from "./tasks/watchers.ts";
import { TaskWebhooks } from "./tasks/webhooks.ts";

/** All that a server needs. Throws as `openEngine`. */
export async function boot(config: Config, log: Logger): Promise<Omit<Deps, "stopping">> {
  const store = await openStore(config, log); // it connects while the model is loaded
  const heard = await openEngine(config, log);
  const outbound = openOutbound({ allowPrivate: config.webhookAllowPrivate });
  const webhooks = openWebhooks(config, log, store, outbound);
  const tasks = openTasks(config, log, heard.engine, store, webhooks);
  return { config, log, store, ...heard, outbound, tasks, webhooks, version };
}

/** Weights, then the engine on them. Throws ModelError, or the addon's error for weights that cannot be used. */
export async function openEngine(
  config: Config,
  log: Logger,
): Promise<Pick<Deps, "metrics" | "engine" | "hasVad">> {
  native.setLog((level, line) => log[level](line, { from: "native" }));
  const info = native.info();
  if (info.ffmpeg === null) {
    log.warn("Without FFmpeg's libraries: only wav, mp3, flac and ogg-vorbis are read");
  }
  const from = { dir: config.modelsDir, log };
  const [model, vad] = await Promise.all([
    ensureModel({
      ...from,
      name: config.whisperModel,
      url: config.modelsUrl,
      onProgress: downloadProgress(config.whisperModel),
    }),
    ensureVad({ ...from, name: config.vadModel, url: config.vadUrl }),
  ]);
  const gpus = info.devices.filter((device) => device.type === "gpu").length;
  if (typeof config.gpu === "number" && config.gpu >= gpus) {
    log.warn(`GPU ${config.gpu} is not there (${gpus} found): running on the CPU`);
  }
  const wanted = config.gpu === "auto" ? 0 : config.gpu;
  const gpu = typeof wanted === "number" && wanted < gpus ? wanted : -1;
  const cores = navigator.hardwareConcurrency;
  const threads = threadsOn(cores, config.threads);
  if (config.threads > cores)
    log.warn(`THREADS is lowered from ${config.threads} to the number of cores, ${cores}.`);
  const metrics = new Metrics({ process: true });
  const engine = await openWhisperEngine({
    native,
    log,
    metrics,
    model,
    vadModel: vad.path,
    gpu,
    threads,
    slots: config.slots || defaultSlots(gpu >= 0),
    // a size that the user names is taken as it is; else other programs live here too
    slotsBytes: config.slots ? 0 : Math.floor(process.availableMemory() / 2),
    maxRuns: config.maxRuns,
    maxQueue: config.maxQueue,
    maxDurationMs: config.maxDurationMs,
  }).catch((error: Error) => {
    throw new ModelError(`The model of WHISPER_MODEL cannot be used. ${error.message}: ${model.path}`);
  });
  const { id, precision, languages } = engine.model;
  log.info("model loaded", {
    ...{ model: id, precision, languages: languages.length, slots: engine.model.slots, threads },
    device: info.devices.find((device) => device.type === (gpu >= 0 ? "gpu" : "cpu"))?.description,
  });
  return { metrics, engine, hasVad: () => vad.path !== null };
}

/** It does no jobs until it is told to start. */
export function openTasks(
  config: Config,
  log: Logger,
  engine: Engine,
  store: Store,
  watchers: TaskWatchers,
): TaskService {
  return new TaskService({
    ...{ deps: { engine }, log, store, watchers },
    audio: audioOf(store.limiter),
    limits: { perCaller: config.maxTasksPerCaller, maxBytes: config.maxTaskBytes },
    ttlMs: config.taskTtlMs,
  });
}

/** It delivers nothing until it is told to start. */
export function openWebhooks(config: Config, log: Logger, store: Store, outbound: Outbound): TaskWebhooks {
  const { webhooks, jobs, tasks } = store;
  return new TaskWebhooks({
    ...{ webhooks, jobs, tasks, log, outbound },
    publicUrl: config.publicUrl,
  });
}

/** Redis where it is set, else files. Throws when these cannot be written. */
export async function openStore(config: Config, log: Logger): Promise<Store> {
  const options = { log, blobs: openBlobs(config) };
  if (config.redisUrl === "") return openSqliteStore(config.dataDir, options);
  // Its libraries take 50 ms to load.
  const { openRedisStore } = await import("./store/redis/open.ts");
  return openRedisStore({ url: config.redisUrl, prefix: config.redisPrefix, ...options });
}
