import { version } from "../package.json";
import { downloadProgress } from "./cli/progress.ts";
import type { Config } from "./config/settings.ts";
import { defaultSlots, threadsOn } from "./config/topics/computing.ts";
import { Admission } from "./engine/admission.ts";
import { computesOn } from "./engine/device.ts";
import { SampleMemory } from "./engine/sample-memory.ts";
import { openWhisperEngine } from "./engine/whisper.ts";
import type { Deps } from "./http/deps.ts";
import { audioOf } from "./http/limits.ts";
import type { Logger } from "./log.ts";
import { Metrics } from "./metrics.ts";
import { digestOf } from "./models/digest.ts";
import type { DownloadProgress } from "./models/download.ts";
import { type EnsuredModel, ensureModel, ensureVad, ModelError } from "./models/ensure.ts";
import { Registry } from "./models/registry.ts";
import { native } from "./native.ts";
import { type Outbound, openOutbound } from "./net/outbound.ts";
import type { SharedRun } from "./results/shared-run.ts";
import { observed } from "./store/observed.ts";
import { openStore } from "./store/open.ts";
import { availableWithin, type Store } from "./store/store.ts";
import { TaskService } from "./tasks/tasks.ts";
import type { TaskWatchers } from "./tasks/watchers.ts";
import { TaskWebhooks } from "./tasks/webhooks.ts";
import type { TranscribeDeps } from "./transcribe.ts";

/** A store that is not there so long after all else is, is not waited for: it comes when it comes. */
const storePatienceMs = 2000;

/** All that a server needs. Throws as `openModels`. */
export async function boot(config: Config, log: Logger): Promise<Omit<Deps, "stopping">> {
  const opened = await openStore(config, log); // it connects while the model is loaded
  const heard = await openModels(config, log, { keepsResults: true });
  const store = observed(opened, heard.metrics);
  const outbound = openOutbound({ allowPrivate: config.webhookAllowPrivate });
  const webhooks = openWebhooks(config, log, store, outbound, heard.metrics);
  const runs = { ...heard, store, log, runs: new Map<string, SharedRun>() };
  const tasks = openTasks(config, runs, webhooks);
  await availableWithin(store, storePatienceMs); // else the first requests would be told that it is away
  return { config, ...runs, outbound, tasks, webhooks, version };
}

interface ModelsOptions {
  /** Whether digests of the weights are wanted, by which results are found again. */
  readonly keepsResults: boolean;
  /** What named the model, for messages. */
  readonly setting?: string;
  /** Of a download. Default: a line on stderr. */
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** The weights of WHISPER_MODEL, and the models on them. Throws ModelError for weights that cannot be had or used. */
export async function openModels(
  config: Config,
  log: Logger,
  {
    keepsResults,
    setting = "WHISPER_MODEL",
    onProgress = downloadProgress(config.whisperModel),
  }: ModelsOptions,
): Promise<Pick<Deps, "metrics" | "models" | "vadDigest" | "hasVad">> {
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
      setting,
      url: config.modelsUrl,
      onProgress,
    }),
    ensureVad({ ...from, name: config.vadModel, url: config.vadUrl }),
  ]);
  const { gpu, device, warning } = computesOn(config.gpu, info);
  if (warning !== null) log.warn(warning);
  const cores = navigator.hardwareConcurrency;
  const threads = threadsOn(cores, config.threads);
  if (config.threads > cores)
    log.warn(`THREADS is lowered from ${config.threads} to the number of cores, ${cores}.`);
  const metrics = new Metrics({ process: true });
  let slots = config.slots || defaultSlots(gpu >= 0);
  const admission = new Admission({
    get maxRuns() {
      return config.maxRuns || 2 * slots;
    },
    maxQueue: config.maxQueue,
  });
  // Weights and slots want the rest.
  const memory = new SampleMemory(Math.floor(process.availableMemory() / 2));
  const open = (weights: EnsuredModel, slotsBytes: number) => {
    // of what is loaded now, whatever the file becomes
    const digest = keepsResults ? digestOf(weights.path) : null;
    digest?.catch((error: Error) => log.warn("The weights' digest is unknown", { reason: error.message }));
    return openWhisperEngine({
      ...{ native, log, metrics, admission, memory, gpu, threads },
      model: { ...weights, digest },
      vadModel: vad.path,
      slots: config.slots || defaultSlots(gpu >= 0),
      slotsBytes: slotsRoom(config, slotsBytes, gpu >= 0),
      maxDurationMs: config.maxDurationMs,
    });
  };
  const models = await Registry.open({
    ...{ dir: config.modelsDir, url: config.modelsUrl, standard: model, open, log, metrics, slots },
    maxBytes: config.modelMemory,
    ttlMs: config.modelTtlMs,
    status: () => admission.status,
  }).catch((error: Error) => {
    throw new ModelError(`The model of ${setting} cannot be used. ${error.message}: ${model.path}`);
  });
  const engine = models.defaultEngine;
  slots = engine.model.slots;
  const { id, precision, languages } = engine.model;
  log.info("ready to transcribe", {
    ...{ model: id, precision, languages: languages.length, slots, threads },
    device: device?.description,
  });
  return {
    metrics,
    models,
    vadDigest: keepsResults ? digestOfVad(vad.path) : null,
    hasVad: () => vad.path !== null,
  };
}

/** Of weights that are loaded when they are needed: a file that cannot be read is told then. */
function digestOfVad(path: string | null): Promise<string> | null {
  const digest = path === null ? null : digestOf(path);
  digest?.catch(() => {});
  return digest;
}

/**
 * What slots may take: a number that the user names is taken as it is, else other programs live here too. 0 = no limit. On a
 * GPU they are in its memory, which the addon asks about.
 */
function slotsRoom({ slots }: Config, slotsBytes: number, onGpu: boolean): number {
  const freeBytes = slots || onGpu ? 0 : Math.floor(process.availableMemory() / 2);
  const bounds = [slotsBytes, freeBytes].filter((bytes) => bytes > 0);
  return bounds.length > 0 ? Math.min(...bounds) : 0;
}

/** It does no jobs until it is told to start. */
function openTasks(
  config: Config,
  deps: TranscribeDeps & { readonly store: Store },
  watchers: TaskWatchers,
): TaskService {
  return new TaskService({
    ...{ deps, watchers },
    audio: audioOf(deps.store.limiter, deps.metrics),
    limits: { perCaller: config.maxTasksPerCaller, maxBytes: config.maxTaskBytes },
    ttlMs: config.taskTtlMs,
  });
}

/** It delivers nothing until it is told to start. */
function openWebhooks(
  config: Config,
  log: Logger,
  store: Store,
  outbound: Outbound,
  metrics: Metrics,
): TaskWebhooks {
  const { webhooks, jobs, tasks } = store;
  return new TaskWebhooks({
    ...{ webhooks, jobs, tasks, log, metrics, outbound },
    publicUrl: config.publicUrl,
  });
}
