/** The names by which clients may call the one model that is loaded. */
import { AppError } from "../core/errors.ts";
import type { ModelInfo } from "../engine/engine.ts";
import { quote } from "./quote.ts";

/** OpenAI's names that clients hard-code; all of them mean the loaded model. */
export const modelAliases: readonly string[] = [
  "whisper-1",
  "gpt-4o-transcribe",
  "gpt-4o-mini-transcribe",
  "gpt-4o-mini-transcribe-2025-12-15",
  "gpt-4o-transcribe-diarize",
  "gpt-transcribe",
  "gpt-live-transcribe",
  "gpt-realtime-whisper",
];

/** Throws model_not_found unless `name` is the model's own or an alias. */
export function requireModel(model: ModelInfo, name: string): void {
  if (name === model.id || modelAliases.includes(name)) return;
  throw new AppError("model_not_found", `The model '${quote(name).slice(1, -1)}' does not exist`, {
    param: "model",
  });
}
