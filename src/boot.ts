/** From settings to a running engine: the one place where values of the lower layers are made and put together. */
import { version } from "../package.json";
import { type Config, defaultSlots, threadsOn } from "./config.ts";
import { Admission } from "./engine/admission.ts";
import { openWhisperEngine } from "./engine/whisper.ts";
import type { Deps } from "./http/deps.ts";
import type { Logger } from "./log.ts";
import { digestOf } from "./models/digest.ts";
import { type EnsuredModel, ensureModel, ensureVad, ModelError } from "./models/ensure.ts";
import { progressBar } from "./models/progress.ts";
import { Registry } from "./models/registry.ts";
import { native } from "./native.ts";

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
  let slots = config.slots || defaultSlots(gpu >= 0);
  const admission = new Admission({
    get maxRuns() {
      return config.maxRuns || 2 * slots;
    },
    maxQueue: config.maxQueue,
  });
  const open = (weights: EnsuredModel, slotsBytes: number) => {
    // of what is loaded now, whatever the file becomes
    const digest = digestOf(weights.path);
    digest.catch((error: Error) => log.warn("The weights' digest is unknown", { reason: error.message }));
    return openWhisperEngine({
      ...{ native, log, admission, gpu, threads },
      model: { ...weights, digest },
      vadModel: vad.path,
      slots: config.slots || defaultSlots(gpu >= 0),
      slotsBytes: slotsRoom(config, slotsBytes),
      maxDurationMs: config.maxDurationMs,
    });
  };
  const models = await Registry.open({
    ...{ dir: config.modelsDir, url: config.modelsUrl, standard: model, open, log, slots },
    maxBytes: config.modelMemory,
    ttlMs: config.modelTtlMs,
    status: () => admission.status,
  }).catch((error: Error) => {
    throw new ModelError(`The model of WHISPER_MODEL cannot be used. ${error.message}: ${model.path}`);
  });
  const engine = models.defaultEngine;
  slots = engine.model.slots;
  const { id, precision, languages } = engine.model;
  log.info("ready to transcribe", {
    ...{ model: id, precision, languages: languages.length, slots, threads },
    device: info.devices.find((device) => device.type === (gpu >= 0 ? "gpu" : "cpu"))?.description,
  });
  return { config, log, models, hasVad: () => vad.path !== null, version };
}

/** What slots may take: a number that the user names is taken as it is, else other programs live here too. 0 = no limit. */
function slotsRoom({ slots }: Config, slotsBytes: number): number {
  const freeBytes = slots ? 0 : Math.floor(process.availableMemory() / 2);
  const bounds = [slotsBytes, freeBytes].filter((bytes) => bytes > 0);
  return bounds.length > 0 ? Math.min(...bounds) : 0;
}
