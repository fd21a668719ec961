/** Models whose engines are a test's: the first is that of WHISPER_MODEL. */
import { AppError } from "../../src/core/errors.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { DownloadProgress } from "../../src/models/download.ts";
import type { InstalledModel, Models, ModelUse } from "../../src/models/models.ts";

export class FakeModels<E extends Engine = Engine> implements Models {
  /** Names that were asked for, and how many of them are held. */
  readonly used: (string | null)[] = [];
  held = 0;
  /** Rejects what is asked for with this. */
  refusal: AppError | null = null;
  /** What a pull tells; then the model is there. */
  progress: readonly DownloadProgress[] = [];
  /** Awaited before each. */
  beforeProgress: () => Promise<unknown> = () => Promise.resolve();
  readonly pulled: { readonly id: string; readonly signal: AbortSignal }[] = [];
  readonly removed: string[] = [];

  constructor(
    readonly defaultEngine: E,
    readonly others: readonly Engine[] = [],
  ) {}

  readonly available = [{ id: "tiny", bytes: 77_691_713, memoryBytes: 200_000_000 }];

  get loaded(): readonly Engine[] {
    return [this.defaultEngine];
  }

  get installed(): readonly InstalledModel[] {
    return [this.defaultEngine, ...this.others].map(({ model }, index) => ({
      ...{ id: model.id, bytes: model.bytes, memoryBytes: 2 * model.bytes },
      ...{ multilingual: model.multilingual, languages: model.languages, precision: model.precision },
      ...{ installedSeconds: model.createdSeconds, warning: model.warning },
      isLoaded: index === 0,
      isDefault: index === 0,
    }));
  }

  async list(): Promise<readonly InstalledModel[]> {
    return this.installed;
  }

  async find(id: string | null): Promise<InstalledModel> {
    const { model } = id === null ? this.defaultEngine : this.engineOf(id);
    return this.installed.find((installed) => installed.id === model.id) as InstalledModel;
  }

  async digest(id: string): Promise<string> {
    return (await this.engineOf(id).model.digest) ?? "";
  }

  async use(id: string | null, _signal: AbortSignal): Promise<ModelUse> {
    this.used.push(id);
    if (this.refusal) throw this.refusal;
    const engine = id === null ? this.defaultEngine : this.engineOf(id);
    this.held += 1;
    return {
      engine,
      [Symbol.dispose]: () => {
        this.held -= 1;
      },
    };
  }

  async *pull(id: string, signal: AbortSignal): AsyncGenerator<DownloadProgress, void, void> {
    this.pulled.push({ id, signal });
    for (const each of this.progress) {
      await this.beforeProgress();
      yield each;
    }
    if (this.refusal) throw this.refusal;
  }

  async remove(id: string): Promise<void> {
    if (this.refusal) throw this.refusal;
    this.engineOf(id);
    this.removed.push(id);
  }

  status() {
    return this.defaultEngine.status();
  }

  memory() {
    return { usedBytes: this.defaultEngine.model.bytes, maxBytes: 0 };
  }

  async close(): Promise<void> {}

  private engineOf(id: string): Engine {
    const found = [this.defaultEngine, ...this.others].find(({ model }) => model.id === id);
    if (!found) {
      const shown = JSON.stringify(id).slice(1, -1);
      throw new AppError("model_not_found", `The model '${shown}' does not exist`, { param: "model" });
    }
    return found;
  }
}
