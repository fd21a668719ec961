/** What a session is set to. */

export const logprobsKey = "item.input_audio_transcription.logprobs";

export type Format =
  | { readonly type: "audio/pcm"; readonly rate: number }
  | { readonly type: "audio/pcmu" | "audio/pcma" };

/** How soon text is wanted while its speaker still speaks. */
export type Delay = "minimal" | "low" | "medium" | "high" | "xhigh";

export interface TranscriptionSettings {
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
  readonly transcription: TranscriptionSettings | null;
  readonly noise_reduction: { readonly type: "near_field" | "far_field"; readonly strength?: number } | null;
  /** null: turns end where the client commits. */
  readonly turn_detection: ServerVad | SemanticVad | null;
  readonly include: readonly (typeof logprobsKey)[] | null;
}

/** OpenAI's defaults, where a client says no more than the type. */
export const serverVad: ServerVad = {
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

/** Of the samples that come. */
export const rateOf = (format: Format): number => (format.type === "audio/pcm" ? format.rate : 8000);
