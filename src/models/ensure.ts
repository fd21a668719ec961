/** From the name or path that a person gave to weights that are there. */
import { basename, join, resolve } from "node:path";
import leven from "leven";
import type { Logger } from "../log.ts";
import { speechModels, urlOf, vadModels, type Weights } from "./catalog.ts";
import { demoFile, demoPath } from "./demo.ts";
import { type DownloadLimits, type DownloadProgress, download, sizeOf } from "./download.ts";

export interface EnsureOptions {
  /** A name of the catalogue, or a path: with a slash, or ending in .bin. */
  readonly name: string;
  /** What gave the name, for messages. */
  readonly setting?: string;
  /** MODELS_DIR */
  readonly dir: string;
  /** The folder that the files are in on the server. */
  readonly url: string;
  readonly log: Logger;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal;
  readonly limits?: DownloadLimits;
}

export interface EnsuredModel {
  readonly path: string;
  /** Name in the catalogue, or made of the file's. */
  readonly id: string;
  /** What people must know of this model, or null. Shown to callers: no paths. */
  readonly warning: string | null;
}

/** A model that does not exist was asked for; the message says what does. */
export class ModelError extends Error {
  override readonly name = "ModelError";
}

const demoLimits =
  "demo knows about 130 English words and the digits in German, French, Spanish, Russian and Chinese, spoken by synthetic " +
  "voices, and writes something wrong for anything else, human speech included.";

const demo = async (dir: string): Promise<EnsuredModel> => ({
  path: await demoFile(dir).catch((error: Error) => {
    const received = `${JSON.stringify(dir)}: ${error.message}`;
    throw new ModelError(`Expected a folder that can be written to for MODELS_DIR but received ${received}`);
  }),
  id: "demo",
  warning: `The bundled demo model answers. ${demoLimits}`,
});

/**
 * The weights of WHISPER_MODEL: already there, or downloaded. When they cannot be had, the bundled demo with a warning.
 * Throws ModelError for a name or path that does not exist, and what `signal` was aborted with.
 */
export async function ensureModel(options: EnsureOptions): Promise<EnsuredModel> {
  const { name, dir, log, signal } = options;
  if (isPath(name)) return ensurePath(options);
  if (name === "demo") return demo(dir);
  const weights = find(speechModels, name, options.setting ?? "WHISPER_MODEL");
  try {
    return { path: await ensureWeights(weights, options), id: name, warning: null };
  } catch (error) {
    signal?.throwIfAborted();
    const warning =
      `The weights of ${name} could not be downloaded, the bundled demo model answers in their place. ${demoLimits} ` +
      `To get ${name}, start again with network access (or another MODELS_URL), or put ${weights.file} into MODELS_DIR.`;
    log.warn(warning, { reason: (error as Error).message });
    return { ...(await demo(dir)), warning };
  }
}

/**
 * The weights of VAD_MODEL, or null when it is "off" or they cannot be had: requests that need them are refused then, the
 * server starts all the same. Throws only what `signal` was aborted with.
 */
export async function ensureVad(
  options: EnsureOptions,
): Promise<{ path: string | null; warning: string | null }> {
  const { name, log, signal } = options;
  if (name === "off") return { path: null, warning: null };
  try {
    const path = isPath(name)
      ? (await ensurePath(options)).path
      : await ensureWeights(find(vadModels, name, "VAD_MODEL"), options);
    return { path, warning: null };
  } catch (error) {
    signal?.throwIfAborted();
    const warning =
      "Voice activity detection is not available: its weights could not be had (VAD_MODEL, VAD_URL).";
    log.warn(warning, { reason: (error as Error).message });
    return { path: null, warning };
  }
}

/** Where the weights are, after a download if need be. */
async function ensureWeights(weights: Weights, options: EnsureOptions): Promise<string> {
  const { dir, url, log, onProgress, signal, limits } = options;
  const path = join(dir, weights.file);
  const foundBytes = await sizeOf(path);
  if (foundBytes === weights.bytes) return path;
  if (foundBytes > 0) {
    log.warn(`Expected ${weights.bytes} bytes for ${path} but found ${foundBytes}: downloading it again`);
  }
  log.info("downloading weights", { model: weights.name, bytes: weights.bytes });
  await download({
    url: urlOf(weights, url),
    path,
    weights,
    onProgress,
    signal,
    onWait: (pid) =>
      log.info("another process is downloading the same weights", { pid, lock: `${path}.lock` }),
    ...(limits ? { limits } : {}),
  });
  return path;
}

/** A file name alone is also looked for in MODELS_DIR. */
async function ensurePath({ name, dir }: EnsureOptions): Promise<EnsuredModel> {
  for (const path of [name, join(dir, name)]) {
    if ((await sizeOf(path)) === 0) continue;
    if (resolve(path) === resolve(demoPath(dir))) return demo(dir);
    return { path, id: modelIdOf(path), warning: null };
  }
  throw new ModelError(`Expected an existing file for the model but received ${JSON.stringify(name)}`);
}

/** The name of a model by its file's: `ggml-my-own.bin` is my-own. */
export const modelIdOf = (path: string) =>
  basename(path)
    .replace(/\.bin$/, "")
    .replace(/^ggml-/, "");

const isPath = (name: string) => name.includes("/") || name.endsWith(".bin");

/** Throws ModelError with the nearest names. `setting`: what named it, for the message. */
export function find(catalogue: readonly Weights[], name: string, setting: string): Weights {
  const found = catalogue.find((weights) => weights.name === name);
  if (found) return found;
  throw new ModelError(
    `Expected a known model or a path for ${setting} but received ${JSON.stringify(name)}. ` +
      `The nearest names: ${nearest(catalogue, name).join(", ")}. All names: models/README.md`,
  );
}

/** The names of the catalogue that `name` may have been meant for. */
export function nearest(catalogue: readonly Weights[], name: string): string[] {
  return catalogue
    .map((weights) => weights.name)
    .sort((a, b) => likeness(name, b) - likeness(name, a) || leven(name, a) - leven(name, b))
    .slice(0, 4);
}

/** 1 for a name that begins as the given one does: "large" means one of the large ones. */
const likeness = (given: string, known: string) => Number(known.startsWith(given.toLowerCase()));
