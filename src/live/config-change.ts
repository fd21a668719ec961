/** How a client changes the settings of a session: what it may give for each, and what becomes of those that it leaves out. */
import { AppError } from "../core/errors.ts";
import { parseLanguage } from "../core/languages.ts";
import {
  choice,
  type Given,
  ignored,
  integer,
  list,
  nullable,
  number,
  object,
  type Reader,
  text,
  unfit,
} from "../core/read.ts";
import {
  type Format,
  logprobsKey,
  type SemanticVad,
  type ServerVad,
  type SessionConfig,
  type Spoken,
  serverVad,
  type TranscriptionSettings,
} from "./config.ts";

/** Readers of all that has the same shape wherever it stands. */
export const settingReaders = (spoken: Spoken) => {
  const model: Reader<string> = (value, path) => {
    const name = text(200)(value, path);
    if (!spoken.languagesOf(name)) throw unfit(path, "the name of an installed model or an alias", value);
    return name;
  };
  const language: Reader<string | null> = (value, path) => {
    const name = text(60)(value, path);
    if (name === "" || name === "auto") return null;
    const code = parseLanguage(name);
    if (code === null) throw unfit(path, "a language that the model knows", value);
    return code;
  };
  const keyword: Reader<string> = (value, path) => {
    const word = text(200)(value, path);
    if (/[<>\r\n]/.test(word)) throw unfit(path, "one line without < and >", value);
    return word;
  };
  const transcription = nullable(
    object({
      model,
      language: nullable(language),
      prompt: nullable(text(16_384)),
      languages: nullable(list(language, 100)),
      keywords: nullable(list(keyword, 100)),
      delay: nullable(choice("minimal", "low", "medium", "high", "xhigh")),
    }),
  );
  const noise_reduction = nullable(
    object({ type: choice("near_field", "far_field"), strength: nullable(number(0, 1)) }),
  );
  const turn_detection = nullable(
    object({
      type: choice("server_vad", "semantic_vad"),
      threshold: nullable(number(0, 1)),
      prefix_padding_ms: nullable(integer(0, 10_000)),
      silence_duration_ms: nullable(integer(0, 60_000)),
      idle_timeout_ms: nullable(integer(5000, 30_000)),
      eagerness: nullable(choice("low", "medium", "high", "auto")),
      create_response: ignored,
      interrupt_response: ignored,
    }),
  );
  const include = nullable(list(choice(logprobsKey), 10));
  const format = object({
    type: choice("audio/pcm", "audio/pcmu", "audio/pcma"),
    rate: integer(8000, 96_000),
  });
  return { format, transcription, noise_reduction, turn_detection, include };
};

type Read = Given<ReturnType<typeof settingReaders>>;

/** What was sent; undefined stands for what was not. */
export type Change = { readonly [Key in keyof Read]: Read[Key] | undefined };

/**
 * `current` with a change, whose parts stand in `path`. What was not sent stays as it is; null clears. Throws invalid_value.
 */
export function changed(current: SessionConfig, change: Change, spoken: Spoken, path: string): SessionConfig {
  const { format, transcription, noise_reduction, turn_detection, include } = change;
  return {
    format: format === undefined ? current.format : readFormat(format, `${path}.format`),
    transcription:
      transcription === undefined
        ? current.transcription
        : transcription && readTranscription(current, transcription, spoken, path),
    noise_reduction: noise_reduction === undefined ? current.noise_reduction : readNoise(noise_reduction),
    turn_detection:
      turn_detection === undefined
        ? current.turn_detection
        : turn_detection && readTurns(current.turn_detection, turn_detection),
    include: include === undefined ? current.include : include,
  };
}

function readFormat({ type = "audio/pcm", rate }: NonNullable<Change["format"]>, path: string): Format {
  if (type === "audio/pcm") return { type, rate: rate ?? 24_000 };
  if (rate !== undefined && rate !== 8000) throw unfit(`${path}.rate`, `8000 with ${type}`, rate);
  return { type };
}

function readTranscription(
  current: SessionConfig,
  given: NonNullable<Change["transcription"]>,
  spoken: Spoken,
  path: string,
): TranscriptionSettings {
  const before = current.transcription ?? { model: spoken.model, language: null, prompt: null };
  const { languages, ...rest } = given;
  const merged = {
    ...before,
    ...rest,
    ...(languages === undefined ? {} : { languages: languages?.filter((code) => code !== null) ?? null }),
  };
  if (merged.language !== null && (merged.languages?.length ?? 0) > 0) {
    const param = `${path}.transcription.languages`;
    throw new AppError(
      "invalid_value",
      `Expected either language or languages for ${param} but received both`,
      {
        param,
      },
    );
  }
  const known = spoken.languagesOf(merged.model) ?? [];
  const unknown = [merged.language, ...(merged.languages ?? [])].find(
    (code) => code && !known.includes(code),
  );
  if (unknown) throw unfit(`${path}.transcription.language`, "a language that the model knows", unknown);
  return merged;
}

function readNoise(given: NonNullable<Change["noise_reduction"]> | null): SessionConfig["noise_reduction"] {
  if (given === null) return null;
  const { type = "near_field", strength } = given;
  return typeof strength === "number" ? { type, strength } : { type };
}

function readTurns(
  current: SessionConfig["turn_detection"],
  given: NonNullable<Change["turn_detection"]>,
): ServerVad | SemanticVad {
  const type = given.type ?? current?.type ?? "server_vad";
  if (type === "semantic_vad") {
    const before = current?.type === type ? current.eagerness : "auto";
    return { type, eagerness: given.eagerness ?? before };
  }
  const before = current?.type === type ? current : serverVad;
  return {
    type,
    threshold: given.threshold ?? before.threshold,
    prefix_padding_ms: given.prefix_padding_ms ?? before.prefix_padding_ms,
    silence_duration_ms: given.silence_duration_ms ?? before.silence_duration_ms,
    idle_timeout_ms: given.idle_timeout_ms === undefined ? before.idle_timeout_ms : given.idle_timeout_ms,
  };
}
