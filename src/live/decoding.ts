/** From a session's settings to the engine's and the turn detector's. */
import { defaultOptions, type Options } from "../core/options.ts";
import type { Delay, SemanticVad, ServerVad, SessionConfig, Spoken } from "./config.ts";
import type { TurnSettings } from "./turns.ts";

/** How a turn is transcribed at its end: as a recording is. */
export function decodingOptions({ transcription }: SessionConfig, spoken: Spoken): Options {
  const { language = null, languages, keywords, prompt } = transcription ?? {};
  const known = spoken.languagesOf(transcription?.model ?? spoken.model) ?? [];
  const [only] = languages?.length === 1 ? languages : [];
  return {
    ...defaultOptions,
    language: language ?? only ?? (known.length === 1 ? (known[0] ?? "en") : "auto"),
    prompt: [prompt ?? "", (keywords ?? []).join(", ")].filter((text) => text !== "").join(" "),
  };
}

/** A turn that still goes on is heard again soon: the most probable words will do. */
export const quick = (options: Options): Options => ({ ...options, beamSize: 1, temperatureIncrement: 0 });

/** New audio before an open turn is transcribed again. */
export const refineEveryMs: Readonly<Record<Delay, number>> = {
  minimal: 300,
  low: 600,
  medium: 1200,
  high: 2400,
  xhigh: 4800,
};

const eagerSilenceMs = { low: 1200, medium: 700, auto: 700, high: 400 };

/** How turns are found: pauses stand for the meaning that semantic_vad would judge by. */
export function turnSettings(turns: ServerVad | SemanticVad): TurnSettings {
  if (turns.type === "semantic_vad") {
    return { threshold: 0.5, prefixPaddingMs: 300, silenceDurationMs: eagerSilenceMs[turns.eagerness] };
  }
  return {
    threshold: turns.threshold,
    prefixPaddingMs: turns.prefix_padding_ms,
    silenceDurationMs: turns.silence_duration_ms,
  };
}
