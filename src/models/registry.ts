/**
 * The models in memory: each loaded when it is first asked for, shared by all who use it, and unloaded when it is idle for long, or
 * others need the room. That of WHISPER_MODEL is there from the start and stays.
 */
import { join } from "node:path";
import { AppError } from "../core/errors.ts";
import type { Engine, EngineStatus } from "../engine/engine.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { NativeError } from "../native.ts";
import { span } from "../tracing.ts";
import { Budget, type Need } from "./budget.ts";
import { speechModels, urlOf } from "./catalog.ts";
import type { DownloadLimits, DownloadProgress } from "./download.ts";
import { type EnsuredModel, nearest } from "./ensure.ts";
import { ModelsFolder, type WeightsFile } from "./folder.ts";
import type { AvailableModel, InstalledModel, Models, ModelUse } from "./models.ts";
import { Pulls } from "./pulls.ts";
import {
  damaged,
  isStandard,
  neverFits,
  noRoomNow,
  notInCatalogue,
  notInstalled,
  unknown,
  unusable,
} from "./refusals.ts";
import { isMultilingual, languagesOf, shapeNamed } from "./shape.ts";

export interface RegistryOptions {
  /** MODELS_DIR, and where what is not there comes from. */
  readonly dir: string;
  readonly url: string;
  /** WHISPER_MODEL. */
  readonly standard: EnsuredModel;
  /** Loads weights on a thread of their own. slotsBytes: what the slots may take; 0 = no limit. Rejects with the addon's error. */
  readonly open: (model: EnsuredModel, slotsBytes: number) => Promise<Engine>;
  /** Windows that each model decodes together, if there is room. */
  readonly slots: number;
  /** MODEL_MEMORY; 0 = no limit. */
  readonly maxBytes: number;
  /** MODEL_TTL: an idle model is unloaded after it; 0 = never. */
  readonly ttlMs: number;
  /** The work of all engines. */
  readonly status: () => EngineStatus;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Calls `act` after a time, unless what it returns is called before. */
  readonly after?: (ms: number, act: () => void) => () => void;
  readonly limits?: DownloadLimits;
}

/** A model in memory, or on its way there or out. */
interface Loaded {
  readonly file: WeightsFile;
  readonly needBytes: number;
  readonly engine: Promise<Engine>;
  /** null while it loads. */
  ready: Engine | null;
  uses: number;
  /** When it was used last, as a number that grows. */
  usedAt: number;
  cancelExpiry: () => void;
  /** Its file is removed: nobody new gets it. */
  isRemoved: boolean;
  /** Set when it is being unloaded. */
  gone: Promise<void> | null;
}

/** setTimeout's limit. */
const foreverMs = 2 ** 31 - 1;

export class Registry implements Models {
  private readonly folder: ModelsFolder;
  private readonly budget: Budget;
  private readonly pulls: Pulls;
  /** By id: those that can be had. */
  private readonly models = new Map<string, Loaded>();
  /** All that take memory. */
  private readonly present = new Set<Loaded>();
  /** Paths of files that the addon has refused, with their versions: they need not push out others again. */
  private readonly damaged = new Map<string, string>();
  /** That of WHISPER_MODEL. */
  private standard: Loaded | null = null;
  private uses = 0;
  private isClosing = false;

  private constructor(private readonly options: RegistryOptions) {
    this.folder = new ModelsFolder(options.dir, options.standard);
    this.budget = new Budget(options);
    this.pulls = new Pulls(options.metrics);
  }

  /** Loads the model of WHISPER_MODEL. Rejects with the addon's error when it cannot be used. */
  static async open(options: RegistryOptions): Promise<Registry> {
    const registry = new Registry(options);
    const [file] = await registry.folder.look();
    if (!file?.isDefault) throw new Error("Expected an existing file for the model");
    const { needBytes } = registry.needOf(file);
    const { maxBytes, log } = options;
    if (maxBytes > 0 && needBytes > maxBytes) {
      log.warn("WHISPER_MODEL needs more than MODEL_MEMORY", { needBytes, maxBytes });
    }
    registry.standard = registry.load(file, []);
    registry.budget.standardBytes = needBytes;
    await registry.standard.engine;
    return registry;
  }

  get defaultEngine(): Engine {
    const engine = this.standard?.ready;
    if (!engine) throw new Error("The registry is not open");
    return engine;
  }

  get loaded(): readonly Engine[] {
    return [...this.models.values()].flatMap(({ ready }) => ready ?? []);
  }

  get installed(): readonly InstalledModel[] {
    return this.folder.found.map((file) => this.describe(file));
  }

  get available(): readonly AvailableModel[] {
    return speechModels
      .filter(({ name }) => !this.folder.find(name))
      .map(({ name, bytes }) => ({
        ...{ id: name, bytes },
        memoryBytes: this.budget.needOf(bytes, shapeNamed(name)).needBytes,
      }));
  }

  async list(): Promise<readonly InstalledModel[]> {
    await this.folder.look();
    return this.installed;
  }

  async find(id: string | null): Promise<InstalledModel> {
    const wanted = id ?? this.defaultEngine.model.id;
    const loaded = this.models.has(wanted) ? this.folder.find(wanted) : undefined;
    return this.describe(loaded ?? (await this.fileOf(wanted)));
  }

  async digest(id: string): Promise<string> {
    // of what answers, whatever the file has become
    const loaded = this.models.get(id)?.ready;
    return loaded ? loaded.model.digest : this.folder.digestOf(await this.fileOf(id));
  }

  async use(id: string | null, signal: AbortSignal): Promise<ModelUse> {
    if (signal.aborted) throw AppError.cancelled(signal);
    const wanted = id ?? this.defaultEngine.model.id;
    const known = this.models.get(wanted);
    const model = known ? this.take(known) : await this.begin(wanted);
    try {
      return this.lend(model, await unlessAborted(model.engine, signal));
    } catch (error) {
      this.leave(model);
      throw error instanceof AppError ? error : unusable(wanted, error as NativeError);
    }
  }

  async *pull(id: string, signal: AbortSignal): AsyncGenerator<DownloadProgress, void, void> {
    const { dir, url, limits } = this.options;
    const weights = speechModels.find(({ name }) => name === id);
    if (!weights) {
      await this.folder.look();
      if (this.folder.find(id)) return; // somebody's own file: it is there
      throw notInCatalogue(id, nearest(speechModels, id));
    }
    const path = join(dir, weights.file);
    yield* this.pulls.pull({ weights, url: urlOf(weights, url), path, limits }, signal);
    await this.folder.look();
  }

  async remove(id: string): Promise<void> {
    await this.folder.look();
    const file = this.folder.find(id);
    if (!file) throw unknown(id);
    if (file.isDefault) throw isStandard(id);
    await this.folder.remove(file);
    this.options.log.info("model removed", { model: id });
    const model = this.models.get(id);
    if (!model) return;
    this.models.delete(id);
    model.isRemoved = true;
    model.cancelExpiry();
    if (model.uses === 0) this.unload(model, "removed");
  }

  status(): EngineStatus {
    return this.options.status();
  }

  memory(): { usedBytes: number; maxBytes: number } {
    return { usedBytes: sum([...this.present]), maxBytes: this.options.maxBytes };
  }

  async close(graceMs: number): Promise<void> {
    this.isClosing = true;
    await Promise.all(
      [...this.present].map(async (model) => {
        model.cancelExpiry();
        const engine = await model.engine.catch(() => null);
        await engine?.close(graceMs);
      }),
    );
  }

  private async fileOf(id: string): Promise<WeightsFile> {
    await this.folder.look();
    const file = this.folder.find(id);
    if (file) return file;
    throw speechModels.some(({ name }) => name === id) ? notInstalled(id) : unknown(id);
  }

  /** Looks for the file, makes room and starts to load; what it gives is taken, and may still fail. */
  private async begin(id: string): Promise<Loaded> {
    const file = await this.fileOf(id);
    const present = this.models.get(id);
    if (present) return this.take(present);
    if (file.shape === null || this.damaged.get(file.path) === file.version) throw damaged(id);
    if (this.isClosing) throw AppError.shuttingDown();
    return this.take(this.load(file, this.makeRoom(file)));
  }

  private take(model: Loaded): Loaded {
    model.uses += 1;
    model.cancelExpiry();
    return model;
  }

  private load(file: WeightsFile, leaving: readonly Loaded[]): Loaded {
    const { log, metrics, open } = this.options;
    const startedMs = performance.now();
    const { needBytes, slotsBytes } = this.needOf(file);
    const { id, path, warning } = file;
    const gone = Promise.all(leaving.map((model) => model.gone));
    const engine = span("load model", { "whisper.model": id }, async () => {
      await gone;
      return open({ id, path, warning }, slotsBytes);
    });
    const tell = (outcome: "loaded" | "failed"): number => {
      const ms = Math.round(performance.now() - startedMs);
      metrics.modelLoadSeconds.observe({ outcome }, ms / 1000);
      return ms;
    };
    const model: Loaded = {
      ...{ file, needBytes, engine, ready: null, uses: 0, usedAt: 0 },
      ...{ cancelExpiry: () => {}, isRemoved: false, gone: null },
    };
    this.models.set(id, model);
    this.present.add(model);
    engine.then(
      (ready) => {
        model.ready = ready;
        log.info("model loaded", { model: id, ms: tell("loaded"), needBytes });
        if (model.uses === 0) this.rest(model);
      },
      (error: NativeError) => {
        this.present.delete(model);
        if (this.models.get(id) === model) this.models.delete(id);
        if (error.code === "bad_model") this.damaged.set(path, file.version);
        log.warn("model cannot be loaded", { model: id, ms: tell("failed"), reason: error.message });
      },
    );
    return model;
  }

  private lend(model: Loaded, engine: Engine): ModelUse {
    let isHeld = true;
    return {
      engine,
      [Symbol.dispose]: () => {
        if (isHeld) this.leave(model);
        isHeld = false;
      },
    };
  }

  private leave(model: Loaded): void {
    model.uses -= 1;
    this.uses += 1;
    model.usedAt = this.uses;
    if (model.uses === 0 && model.ready) this.rest(model);
  }

  /** Nobody holds it any more; it may still have work. */
  private rest(model: Loaded): void {
    const { ttlMs, after = timer } = this.options;
    model.cancelExpiry();
    if (model.isRemoved) this.unload(model, "removed");
    if (model.gone || ttlMs === 0 || model.file.isDefault || this.isClosing) return;
    model.cancelExpiry = after(ttlMs, () => (isIdle(model) ? this.unload(model, "idle") : this.rest(model)));
  }

  /** Closing an engine refuses new work, and waits for what runs. */
  private unload(model: Loaded, reason: "idle" | "memory" | "removed"): void {
    if (model.gone) return;
    const { id } = model.file;
    if (this.models.get(id) === model) this.models.delete(id);
    model.cancelExpiry();
    model.gone = model.engine
      .then((engine) => engine.close(foreverMs))
      .catch(() => {}) // then it never was there
      .then(() => {
        this.present.delete(model);
        this.options.metrics.modelUnloads.inc({ reason });
        this.options.log.info("model unloaded", { model: id, reason });
      });
  }

  /** Unloads idle models, the least recently used first, until `file` fits; gives those that are on their way out. */
  private makeRoom(file: WeightsFile): Loaded[] {
    const { maxBytes } = this.options;
    if (maxBytes === 0) return [];
    const { needBytes } = this.needOf(file);
    if (needBytes > this.budget.roomBytes) throw neverFits(file.id, needBytes, this.budget.roomBytes);
    const staying = [...this.present].filter((model) => !(model.gone && isIdle(model)));
    const idle = staying
      .filter((model) => isIdle(model) && !model.file.isDefault)
      .sort((a, b) => a.usedAt - b.usedAt);
    const victims: Loaded[] = [];
    while (sum(staying) - sum(victims) + needBytes > maxBytes) {
      const victim = idle.shift();
      if (!victim) throw noRoomNow(file.id);
      victims.push(victim);
    }
    for (const victim of victims) this.unload(victim, "memory");
    return [...this.present].filter((model) => model.gone && isIdle(model));
  }

  private needOf({ bytes, shape }: WeightsFile): Need {
    // the addon will say what is wrong with it
    return shape ? this.budget.needOf(bytes, shape) : { needBytes: bytes, slotsBytes: 0 };
  }

  private describe(file: WeightsFile): InstalledModel {
    const { id, bytes, shape, installedSeconds, warning, isDefault } = file;
    const loaded = this.models.get(id);
    return {
      ...{ id, bytes, installedSeconds, warning, isDefault },
      memoryBytes: shape && (loaded?.needBytes ?? this.needOf(file).needBytes),
      multilingual: shape !== null && isMultilingual(shape),
      languages: shape ? languagesOf(shape) : [],
      precision: shape?.precision ?? "unknown",
      isLoaded: loaded?.ready != null,
    };
  }
}

/** Whether nothing would be lost if it went. One that is loading is wanted. */
function isIdle({ ready, uses }: Loaded): boolean {
  if (!ready || uses > 0) return false;
  const { running, queued } = ready.status();
  return running === 0 && queued === 0;
}

const sum = (models: readonly Loaded[]) => models.reduce((bytes, { needBytes }) => bytes + needBytes, 0);

function timer(ms: number, act: () => void): () => void {
  const handle = setTimeout(act, ms);
  handle.unref();
  return () => clearTimeout(handle);
}

/** Settles as `promise` does, or rejects when `signal` fires before. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(AppError.cancelled(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
