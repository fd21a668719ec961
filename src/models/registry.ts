/** The models that there are: weights in their folder, and an engine for each that is asked for. */
import { join } from "node:path";
import type { Engine, EngineStatus } from "../engine/engine.ts";
import { Budget } from "./budget.ts";
import { speechModels, urlOf } from "./catalog.ts";
import type { DownloadLimits, DownloadProgress } from "./download.ts";
import { type EnsuredModel, nearest } from "./ensure.ts";
import { ModelsFolder, type WeightsFile } from "./folder.ts";
import { LoadedModels, type LoadedModelsOptions } from "./loaded.ts";
import type { AvailableModel, InstalledModel, Models, ModelUse } from "./models.ts";
import { Pulls } from "./pulls.ts";
import { isStandard, notInCatalogue, unknown } from "./refusals.ts";
import { isMultilingual, languagesOf, shapeNamed } from "./shape.ts";

export interface RegistryOptions extends LoadedModelsOptions {
  /** MODELS_DIR, and where what is not there comes from. */
  readonly dir: string;
  readonly url: string;
  /** WHISPER_MODEL. */
  readonly standard: EnsuredModel;
  /** Windows that each model decodes together, if there is room. */
  readonly slots: number;
  /** The work of all engines. */
  readonly status: () => EngineStatus;
  readonly limits?: DownloadLimits;
}

export class Registry implements Models {
  private readonly pulls: Pulls;

  private constructor(
    private readonly options: RegistryOptions,
    private readonly folder: ModelsFolder,
    private readonly budget: Budget,
    private readonly inMemory: LoadedModels,
    readonly defaultEngine: Engine,
  ) {
    this.pulls = new Pulls(options.metrics);
  }

  /** Loads the model of WHISPER_MODEL. Rejects with the addon's error when it cannot be used. */
  static async open(options: RegistryOptions): Promise<Registry> {
    const folder = new ModelsFolder(options.dir, options.standard);
    const budget = new Budget(options);
    const inMemory = new LoadedModels(options, folder, budget);
    const [file] = await folder.look();
    if (!file?.isDefault) throw new Error("Expected an existing file for the model");
    return new Registry(options, folder, budget, inMemory, await inMemory.openStandard(file));
  }

  get loaded(): readonly Engine[] {
    return this.inMemory.engines;
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
    const wanted = this.named(id);
    const loaded = this.inMemory.find(wanted) && this.folder.find(wanted);
    return this.describe(loaded ?? (await this.folder.get(wanted)));
  }

  async digest(id: string): Promise<string> {
    // of what answers, whatever the file has become
    const loaded = this.inMemory.find(id)?.ready;
    return loaded?.model.digest ?? this.folder.digestOf(await this.folder.get(id));
  }

  use(id: string | null, signal: AbortSignal): Promise<ModelUse> {
    return this.inMemory.use(this.named(id), signal);
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
    this.inMemory.drop(id);
  }

  status(): EngineStatus {
    return this.options.status();
  }

  memory(): { usedBytes: number; maxBytes: number } {
    return { usedBytes: this.inMemory.usedBytes, maxBytes: this.options.maxBytes };
  }

  close(graceMs: number): Promise<void> {
    return this.inMemory.close(graceMs);
  }

  private named(id: string | null): string {
    return id ?? this.defaultEngine.model.id;
  }

  private describe(file: WeightsFile): InstalledModel {
    const { id, bytes, shape, installedSeconds, warning, isDefault } = file;
    const loaded = this.inMemory.find(id);
    return {
      ...{ id, bytes, installedSeconds, warning, isDefault },
      memoryBytes: shape && (loaded?.needBytes ?? this.budget.needOf(bytes, shape).needBytes),
      multilingual: shape !== null && isMultilingual(shape),
      languages: shape ? languagesOf(shape) : [],
      precision: shape?.precision ?? "unknown",
      isLoaded: loaded?.ready != null,
    };
  }
}
