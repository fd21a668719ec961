/** The models in memory: loaded when they are first asked for, unloaded when they are idle for long, or others need the room. */
import { type Clock, longestDelayMs, systemClock } from "../core/clock.ts";
import { AppError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { NativeError } from "../native.ts";
import { span } from "../tracing.ts";
import type { Budget } from "./budget.ts";
import type { EnsuredModel } from "./ensure.ts";
import type { ModelsFolder, WeightsFile } from "./folder.ts";
import type { ModelUse } from "./models.ts";
import { damaged, neverFits, noRoomNow, unusable } from "./refusals.ts";

export interface LoadedModelsOptions {
  /** Loads weights on a thread of their own. slotsBytes: what the slots may take; 0 = no limit. Rejects with the addon's error. */
  readonly open: (model: EnsuredModel, slotsBytes: number) => Promise<Engine>;
  /** MODEL_MEMORY; 0 = no limit. */
  readonly maxBytes: number;
  /** MODEL_TTL: an idle model is unloaded after it; 0 = never. */
  readonly ttlMs: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock?: Pick<Clock, "after">;
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

export class LoadedModels {
  /** By id: those that can be had. */
  private readonly models = new Map<string, Loaded>();
  /** All that take memory. */
  private readonly present = new Set<Loaded>();
  /** Paths of files that the addon has refused, with their versions: they need not push out others again. */
  private readonly damaged = new Map<string, string>();
  private uses = 0;
  private isClosing = false;

  constructor(
    private readonly options: LoadedModelsOptions,
    private readonly folder: ModelsFolder,
    private readonly budget: Budget,
  ) {}

  /** Loads the model of WHISPER_MODEL, which stays. Rejects with the addon's error when it cannot be used. */
  async openStandard(file: WeightsFile): Promise<Engine> {
    const { needBytes } = this.budget.needOf(file.bytes, file.shape);
    const { maxBytes, log } = this.options;
    if (maxBytes > 0 && needBytes > maxBytes) {
      log.warn("WHISPER_MODEL needs more than MODEL_MEMORY", { needBytes, maxBytes });
    }
    const { engine } = this.load(file, []);
    this.budget.standardBytes = needBytes;
    return await engine;
  }

  /** Those that are ready, in the order in which they began to load. */
  get engines(): readonly Engine[] {
    return [...this.models.values()].flatMap(({ ready }) => ready ?? []);
  }

  /** What all may come to take. */
  get usedBytes(): number {
    return sum([...this.present]);
  }

  /** One that can be had, ready or not. */
  find(id: string): Readonly<Pick<Loaded, "needBytes" | "ready">> | undefined {
    return this.models.get(id);
  }

  /** As Models.use, of a model with a name. */
  async use(id: string, signal: AbortSignal): Promise<ModelUse> {
    if (signal.aborted) throw AppError.cancelled(signal);
    const known = this.models.get(id);
    const model = known ? this.take(known) : await this.begin(id);
    try {
      return this.lend(model, await unlessAborted(model.engine, signal));
    } catch (error) {
      this.leave(model);
      throw error instanceof AppError ? error : unusable(id, error as NativeError);
    }
  }

  /** Its file is gone: nobody new gets it, and it is unloaded when its last user has left. */
  drop(id: string): void {
    const model = this.models.get(id);
    if (!model) return;
    this.models.delete(id);
    model.isRemoved = true;
    model.cancelExpiry();
    if (model.uses === 0) this.unload(model, "removed");
  }

  /** Loads no more; closes all engines, those that still load too. */
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

  /** Looks for the file, makes room and starts to load; what it gives is taken, and may still fail. */
  private async begin(id: string): Promise<Loaded> {
    const file = await this.folder.get(id);
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
    const { id, path, bytes, shape, warning } = file;
    const { needBytes, slotsBytes } = this.budget.needOf(bytes, shape);
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
    const { ttlMs, clock = systemClock } = this.options;
    model.cancelExpiry();
    if (model.isRemoved) this.unload(model, "removed");
    if (model.gone || ttlMs === 0 || model.file.isDefault || this.isClosing) return;
    model.cancelExpiry = clock.after(ttlMs, () =>
      isIdle(model) ? this.unload(model, "idle") : this.rest(model),
    );
  }

  /** Closing an engine refuses new work, and waits for what runs. */
  private unload(model: Loaded, reason: "idle" | "memory" | "removed"): void {
    if (model.gone) return;
    const { id } = model.file;
    if (this.models.get(id) === model) this.models.delete(id);
    model.cancelExpiry();
    model.gone = model.engine
      .then((engine) => engine.close(longestDelayMs))
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
    const { needBytes } = this.budget.needOf(file.bytes, file.shape);
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
}

/** Whether nothing would be lost if it went. One that is loading is wanted. */
function isIdle({ ready, uses }: Loaded): boolean {
  if (!ready || uses > 0) return false;
  const { running, queued } = ready.status();
  return running === 0 && queued === 0;
}

const sum = (models: readonly Loaded[]) => models.reduce((bytes, { needBytes }) => bytes + needBytes, 0);

/** Settles as `promise` does, or rejects when `signal` fires before. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(AppError.cancelled(signal));
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
