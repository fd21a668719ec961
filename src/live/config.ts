/**
 * What a session is set to, and how clients say it: OpenAI's session object (GA) and the flat one of the beta. Both are read
 * into one value, and an update that is unfit changes nothing.
 */
import { AppError } from "../core/errors.ts";
import { parseLanguage } from "../core/languages.ts";
import {
  choice,
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

export const logprobsKey = "item.input_audio_transcription.logprobs";

export type Format =
  | { readonly type: "audio/pcm"; readonly rate: number }
  | { readonly type: "audio/pcmu" | "audio/pcma" };

/** How soon text is wanted while its speaker still speaks. */
export type Delay = "minimal" | "low" | "medium" | "high" | "xhigh";

export interface Transcription {
  readonly model: string;
  readonly language: string | null;
  readonly prompt: string | null;
  readonly languages?: readonly string[] | null;
  readonly keywords?: readonly string[] | null;
  readonly delay?: Delay | null;
}

export interface ServerVad {
  readonly type: "server_vad";
  readonly threshold: number;
  readonly prefix_padding_ms: number;
  readonly silence_duration_ms: number;
  /** Accepted and shown; nobody is here to speak up after a pause. */
  readonly idle_timeout_ms: number | null;
}

export interface SemanticVad {
  readonly type: "semantic_vad";
  readonly eagerness: "low" | "medium" | "high" | "auto";
}

/** In OpenAI's spelling, as it is sent. */
export interface SessionConfig {
  readonly format: Format;
  /** null: turns are found, but not transcribed. */
  readonly transcription: Transcription | null;
  readonly noise_reduction: { readonly type: "near_field" | "far_field"; readonly strength?: number } | null;
  /** null: turns end where the client commits. */
  readonly turn_detection: ServerVad | SemanticVad | null;
  readonly include: readonly (typeof logprobsKey)[] | null;
}

const serverVad: ServerVad = {
  type: "server_vad",
  threshold: 0.5,
  prefix_padding_ms: 300,
  silence_duration_ms: 200,
  idle_timeout_ms: null,
};

/** OpenAI's. */
export const defaultConfig: SessionConfig = {
  format: { type: "audio/pcm", rate: 24_000 },
  transcription: null,
  noise_reduction: null,
  turn_detection: serverVad,
  include: null,
};

/** The models that a session can ask for. */
export interface Spoken {
  /** The server's own one. */
  readonly model: string;
  /** What a model knows; null: there is none of that name. */
  readonly languagesOf: (model: string) => readonly string[] | null;
}

const readers = (spoken: Spoken) => {
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
  const shared = { object: ignored, id: ignored, expires_at: ignored, client_secret: ignored };
  return {
    ga: object({
      ...shared,
      type: choice("transcription"),
      include,
      audio: object({
        input: object({
          format: object({
            type: choice("audio/pcm", "audio/pcmu", "audio/pcma"),
            rate: integer(8000, 96_000),
          }),
          transcription,
          noise_reduction,
          turn_detection,
          detector: ignored,
        }),
      }),
    }),
    beta: object({
      ...shared,
      type: ignored,
      modalities: ignored,
      detector: ignored,
      input_audio_format: choice("pcm16", "g711_ulaw", "g711_alaw"),
      input_audio_transcription: transcription,
      input_audio_noise_reduction: noise_reduction,
      turn_detection,
      include,
    }),
  };
};

type Readers = ReturnType<typeof readers>;
type Input = NonNullable<NonNullable<ReturnType<Readers["ga"]>["audio"]>["input"]> & {
  readonly include?: SessionConfig["include"];
};

const betaFormats: Readonly<Record<string, Format>> = {
  pcm16: { type: "audio/pcm", rate: 24_000 },
  g711_ulaw: { type: "audio/pcmu" },
  g711_alaw: { type: "audio/pcma" },
};

/** `current` changed by a GA session object. Throws invalid_value or unknown_parameter, naming the place. */
export function update(current: SessionConfig, session: unknown, spoken: Spoken): SessionConfig {
  const { audio, include } = readers(spoken).ga(session, "session");
  const input = audio?.input ?? {};
  return merge(current, include === undefined ? input : { ...input, include }, spoken, "session.audio.input");
}

/** `current` changed by a flat session object of the beta. Throws as `update`. */
export function updateBeta(current: SessionConfig, session: unknown, spoken: Spoken): SessionConfig {
  const given = readers(spoken).beta(session, "session");
  const { input_audio_format: format, input_audio_transcription: transcription, include } = given;
  const { input_audio_noise_reduction: noise_reduction, turn_detection } = given;
  const input = {
    ...(format === undefined ? {} : { format: betaFormats[format] }),
    ...(transcription === undefined ? {} : { transcription }),
    ...(noise_reduction === undefined ? {} : { noise_reduction }),
    ...(turn_detection === undefined ? {} : { turn_detection }),
    ...(include === undefined ? {} : { include }),
  } as Input;
  return merge(current, input, spoken, "session");
}

/** What was not sent stays as it is; null clears. */
function merge(current: SessionConfig, given: Input, spoken: Spoken, path: string): SessionConfig {
  const { format, transcription, noise_reduction, turn_detection, include } = given;
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

function readFormat({ type = "audio/pcm", rate }: NonNullable<Input["format"]>, path: string): Format {
  if (type === "audio/pcm") return { type, rate: rate ?? 24_000 };
  if (rate !== undefined && rate !== 8000) throw unfit(`${path}.rate`, `8000 with ${type}`, rate);
  return { type };
}

function readTranscription(
  current: SessionConfig,
  given: NonNullable<Input["transcription"]>,
  spoken: Spoken,
  path: string,
): Transcription {
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

function readNoise(given: NonNullable<Input["noise_reduction"]> | null): SessionConfig["noise_reduction"] {
  if (given === null) return null;
  const { type = "near_field", strength } = given;
  return typeof strength === "number" ? { type, strength } : { type };
}

function readTurns(
  current: SessionConfig["turn_detection"],
  given: NonNullable<Input["turn_detection"]>,
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

/** Of the samples that come. */
export const rateOf = (format: Format): number => (format.type === "audio/pcm" ? format.rate : 8000);

export interface SessionIdentity {
  readonly id: string;
  /** Unix seconds; 0: it has not begun. */
  readonly expiresAt: number;
  /** What judges speech: ours, not OpenAI's. */
  readonly detector: string;
}

const head = ({ id, expiresAt }: SessionIdentity) => ({
  object: "realtime.transcription_session",
  id,
  expires_at: expiresAt,
});

/** OpenAI's session object. */
export function sessionObject(config: SessionConfig, identity: SessionIdentity) {
  const { include, ...input } = config;
  return {
    type: "transcription",
    ...head(identity),
    audio: { input: { ...input, detector: identity.detector } },
    include,
  };
}

/** The flat one of the beta. */
export function betaSessionObject(config: SessionConfig, identity: SessionIdentity) {
  const { format, transcription, noise_reduction, turn_detection, include } = config;
  const name = Object.entries(betaFormats).find(([, { type }]) => type === format.type)?.[0];
  return {
    ...head(identity),
    input_audio_format: name,
    input_audio_transcription: transcription,
    input_audio_noise_reduction: noise_reduction,
    turn_detection,
    include,
    detector: identity.detector,
  };
}
