/**
 * Everything that changes what a transcription says: one complete, typed value, made once from a request (or a command
 * line) and handed down unchanged. The same key from form field (snake_case there) to C++ field.
 */

/** Decoding options of one transcription. Every field has a value; `defaultOptions` gives OpenAI's and whisper.cpp's. */
export interface Options {
  readonly task: "transcribe" | "translate";
  /** ISO 639-1 code, or "auto": detect from the first window. */
  readonly language: string;
  /** Text that goes before the first window (its last 224 tokens count); "" for none. */
  readonly prompt: string;
  /** Put the prompt before every window, not only before the first. */
  readonly carryPrompt: boolean;
  /** Give each window the text of those before it. */
  readonly conditionOnPreviousText: boolean;
  /** 0..1; 0 = most probable token. */
  readonly temperature: number;
  /** Step to the next temperature after a failed attempt; 0 = no fallback. */
  readonly temperatureIncrement: number;
  /** Of what is drawn at temperatures above 0: 0..2^31-1. null: see `seedOf`. */
  readonly seed: number | null;
  /** An attempt fails when its text compresses better than this (zlib): a repetition. */
  readonly compressionRatioThreshold: number;
  /** An attempt fails when its mean log-probability is lower. */
  readonly logprobThreshold: number;
  /** A window is silent when its no-speech probability is higher and its mean log-probability is under the threshold. */
  readonly noSpeechThreshold: number;
  /** Candidates per attempt at a temperature above 0; 1..8. */
  readonly bestOf: number;
  /** Beams at temperature 0; 1 = greedy; 1..8. */
  readonly beamSize: number;
  /** Beam search ends when this many times `beamSize` sequences have ended; 0.1..10. */
  readonly patience: number;
  /** Exponent of the length in the score of a candidate; -1 = divide by the length itself. */
  readonly lengthPenalty: number;
  /** No blank at the start of a window. */
  readonly suppressBlank: boolean;
  /** No tokens that are not speech: brackets, notes, symbols. */
  readonly suppressNonSpeech: boolean;
  /** Decode timestamp tokens; without them a window is one segment. */
  readonly timestamps: boolean;
  /** Compute the times of tokens and words. */
  readonly wordTimes: boolean;
  /** The first timestamp of a window is not later than this; 0 = no limit. */
  readonly maxInitialTimestampMs: number;
  /** Mark speaker turns (tinydiarize models). */
  readonly speakerTurns: boolean;
  /** Keep the channels apart: each is transcribed for itself. */
  readonly splitChannels: boolean;
  /** Start this far into the recording. */
  readonly offsetMs: number;
  /** Transcribe this much from there; 0 = to the end. */
  readonly durationMs: number;
  /** Transcribe only what Silero's voice activity detection calls speech. */
  readonly vad: boolean;
  /** Probability above which a frame is speech; 0..1. */
  readonly vadThreshold: number;
  readonly vadMinSpeechMs: number;
  readonly vadMinSilenceMs: number;
  /** Longer speech is cut; 0 = never. */
  readonly vadMaxSpeechMs: number;
  /** Added before and after each stretch of speech. */
  readonly vadPadMs: number;
}

/**
 * The defaults of whisper-cli and OpenAI's reference: beam search of five, fallback in steps of 0.2, previous text carried.
 * VAD removes long silences only, and leaves air around speech, as faster-whisper does: whisper.cpp's 100 and 30 ms cut into
 * the words that they should protect.
 */
export const defaultOptions: Options = {
  task: "transcribe",
  language: "auto",
  prompt: "",
  carryPrompt: false,
  conditionOnPreviousText: true,
  temperature: 0,
  temperatureIncrement: 0.2,
  seed: null,
  compressionRatioThreshold: 2.4,
  logprobThreshold: -1,
  noSpeechThreshold: 0.6,
  bestOf: 5,
  beamSize: 5,
  patience: 1,
  lengthPenalty: -1,
  suppressBlank: true,
  suppressNonSpeech: false,
  timestamps: true,
  wordTimes: false,
  maxInitialTimestampMs: 1000,
  speakerTurns: false,
  splitChannels: false,
  offsetMs: 0,
  durationMs: 0,
  vad: false,
  vadThreshold: 0.5,
  vadMinSpeechMs: 250,
  vadMinSilenceMs: 2000,
  vadMaxSpeechMs: 0,
  vadPadMs: 400,
};

export const largestSeed = 2 ** 31 - 1;

/** Whether the same recording gives the same text again. */
export const isReproducible = ({ temperature, seed }: Options) => temperature === 0 || seed !== null;

/**
 * The seed of a run. Where none is given: 0 for temperature 0, whose fallbacks stay reproducible so; else another one each time, since
 * who asks for another temperature asks for variety.
 */
export function seedOf(options: Options): number {
  if (options.seed !== null) return options.seed;
  return isReproducible(options) ? 0 : Math.floor(Math.random() * largestSeed);
}

/** The order in which waiting work is served: speech that someone waits for while speaking, requests, batches. */
export type Priority = "live" | "request" | "batch";
