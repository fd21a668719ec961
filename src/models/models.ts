/** What the layers above know of the models: those that are installed, and an engine for each that is asked for. */
import type { Engine, EngineStatus } from "../engine/engine.ts";
import type { DownloadProgress } from "./download.ts";

/** Weights in MODELS_DIR, or those of WHISPER_MODEL. */
export interface InstalledModel {
  /** Name in the catalogue, or made of the file's. */
  readonly id: string;
  /** Of the file. */
  readonly bytes: number;
  /** With all its slots in use. null: the file is damaged. */
  readonly memoryBytes: number | null;
  readonly multilingual: boolean;
  readonly languages: readonly string[];
  readonly precision: string;
  /** Unix seconds: since when the file is there. */
  readonly installedSeconds: number;
  /** What people must know of it, or null. */
  readonly warning: string | null;
  /** Whether it is in memory now. */
  readonly isLoaded: boolean;
  /** WHISPER_MODEL: it answers where no model is named, and stays in memory. */
  readonly isDefault: boolean;
}

/** One that can be installed. */
export interface AvailableModel {
  readonly id: string;
  readonly bytes: number;
  readonly memoryBytes: number;
}

/** An engine that stays as long as this is held, and as long as it has work. */
export interface ModelUse extends Disposable {
  readonly engine: Engine;
}

export interface Models {
  /** The engine of WHISPER_MODEL: always there. */
  readonly defaultEngine: Engine;
  /** Those in memory, that of WHISPER_MODEL first. */
  readonly loaded: readonly Engine[];
  /** As of the last look at the folder. */
  readonly installed: readonly InstalledModel[];
  /** Of the catalogue, not yet installed. */
  readonly available: readonly AvailableModel[];
  /** Looks at the folder. */
  list(): Promise<readonly InstalledModel[]>;
  /** What is known of an installed model. `id` null: WHISPER_MODEL. Rejects with model_not_found. */
  find(id: string | null): Promise<InstalledModel>;
  /** SHA-256 of its weights, in lower-case hex, loaded or not. Rejects with model_not_found. */
  digest(id: string): Promise<string>;
  /**
   * The engine of an installed model, loaded if need be: all who ask at the same time wait for one load. `id` null: WHISPER_MODEL.
   * Rejects with model_not_found, model_unavailable (damaged, or it never fits into MODEL_MEMORY), server_overloaded (no room now), and
   * what `signal` was aborted with; a load that has begun goes on.
   */
  use(id: string | null, signal: AbortSignal): Promise<ModelUse>;
  /**
   * Installs a model of the catalogue; ends when it is there. All who ask for the same one wait for one download, which stops when the
   * last of them has left and goes on from there next time. Throws model_not_found, model_download_failed, what `signal` was aborted with.
   */
  pull(id: string, signal: AbortSignal): AsyncIterable<DownloadProgress>;
  /**
   * Removes a model's file. Who uses it keeps it until he is done. Rejects with model_not_found, or model_in_use for WHISPER_MODEL.
   */
  remove(id: string): Promise<void>;
  /** The work of all engines. */
  status(): EngineStatus;
  /** Bytes that loaded models may come to take, and may take at most (0: no limit). */
  memory(): { readonly usedBytes: number; readonly maxBytes: number };
  /** Refuses new work, waits for running work at most `graceMs`, then cancels it. */
  close(graceMs: number): Promise<void>;
}
