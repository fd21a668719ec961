/** Weights: which, and where they come from. */
import { baseUrl, byteSize, duration, setting, text } from "../notations.ts";

const hub = "https://huggingface.co";

export const models = {
  whisperModel: setting(
    "WHISPER_MODEL",
    text,
    "base",
    "Model that answers where none is named: a name or a path.",
  ),
  modelsDir: setting("MODELS_DIR", text, "models", "Folder of the weights."),
  modelsUrl: setting(
    "MODELS_URL",
    baseUrl,
    `${hub}/ggerganov/whisper.cpp/resolve/main`,
    "Where missing weights come from.",
  ),
  modelTtlMs: setting(
    "MODEL_TTL",
    duration(0),
    "5m",
    "An idle model is unloaded after it, but not that of WHISPER_MODEL; 0 = never.",
  ),
  modelMemory: setting(
    "MODEL_MEMORY",
    byteSize(0),
    "0",
    "What loaded models may take together: bytes, or 800MB, 6GiB; 0 = no limit.",
  ),
  vadModel: setting("VAD_MODEL", text, "silero-v6.2.0", "Voice activity detection: a name, a path, or off."),
  vadUrl: setting(
    "VAD_URL",
    baseUrl,
    `${hub}/ggml-org/whisper-vad/resolve/main`,
    "Where its weights come from.",
  ),
};
