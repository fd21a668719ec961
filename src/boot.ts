/** From settings to a running engine: the one place where values of the lower layers are made and put together. */
import { version } from "../package.json";
import { type Config, defaultSlots, threadsOn } from "./config.ts";
import { openWhisperEngine } from "./engine/whisper.ts";
import type { Deps } from "./http/deps.ts";
import type { Logger } from "./log.ts";
import { ensureModel, ensureVad, ModelError } from "./models/ensure.ts";
import { progressBar } from "./models/progress.ts";
import { native } from "./native.ts";
import { openRedisStore } from "./store/redis/open.ts";
import { openSqliteStore } from "./store/sqlite/open.ts";
import type { Store } from "./store/store.ts";

/** Weights, then the engine on them. Throws ModelError, or the addon's error for weights that cannot be used. */
export async function boot(config: Config, log: Logger): Promise<Omit<Deps, "stopping">> {
  native.setLog((level, line) => log[level](line, { from: "native" }));
  const info = native.info();
  if (info.ffmpeg === null) {
    log.warn("Built without FFmpeg's libraries: only wav, mp3, flac and ogg-vorbis are read");
  }
  const from = { dir: config.modelsDir, log };
  const [model, vad] = await Promise.all([
    ensureModel({
      ...from,
      name: config.whisperModel,
      url: config.modelsUrl,
      onProgress: progressBar(config.whisperModel),
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
  const engine = await openWhisperEngine({
    native,
    log,
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
  return {
    ...{ config, log, engine, version },
    store: openStore(config, log),
    runs: new Map(),
    hasVad: () => vad.path !== null,
  };
}

/** Redis where it is set, else files. Throws when these cannot be written. */
export function openStore(config: Config, log: Logger): Store {
  const cache = { ttlMs: config.cacheTtlMs, maxBytes: config.cacheMaxBytes };
  if (config.redisUrl === "") return openSqliteStore(config.dataDir, cache);
  return openRedisStore({ url: config.redisUrl, prefix: config.redisPrefix, log, cache });
}
