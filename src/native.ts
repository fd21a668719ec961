/**
 * The whole boundary to C++ (native/): this file describes it, loads it, and is the only one that may import it.
 * Rules: values are complete and valid when they cross (TypeScript fills every default); C++ never calls into
 * JavaScript but through `onEvent`, `onFrames` and `setLog`, on the JS thread; samples never become JavaScript values.
 * Wrong types and ranges throw TypeError/RangeError at the call: "Expected X for name but received Y of type Z".
 */
import type { Options, Priority } from "./core/options.ts";
import type { Segment, Token } from "./core/transcript.ts";

/** Codes of errors that cross the boundary, on `NativeError.code`. */
export type NativeErrorCode =
  /** Not audio, or a container or codec that this build cannot read. */
  | "unsupported_format"
  /** A readable container without an audio stream. */
  | "no_audio"
  /** Audio that breaks off before the end that its header declares, or whose packets cannot be decoded. */
  | "corrupt_audio"
  /** Longer than `maxDurationMs`. */
  | "audio_too_long"
  /** Shorter than 100 ms, the shortest that whisper.cpp takes. */
  | "audio_too_short"
  /** The file cannot be opened or read. */
  | "io"
  /** Not a model file, a truncated one, or one of another kind. */
  | "bad_model"
  | "out_of_memory"
  /** `cancel()` was called, or the environment is being torn down. */
  | "cancelled"
  /** The model, the Pcm or the Live was closed before. */
  | "closed"
  | "internal";

/** An Error made in C++. */
export interface NativeError extends Error {
  readonly code: NativeErrorCode;
}

/** 16 kHz float samples held in C++, one row per channel. Immutable; freed by the collector or by `close()`. */
export interface Pcm {
  readonly channels: number;
  /** Per channel. */
  readonly samples: number;
  readonly durationMs: number;
  /** What was found in the file, for logs: e.g. "mp3", "pcm_s16le". */
  readonly format: string;
  /** One channel as a Pcm of its own; shares the samples. */
  channel(index: number): Pcm;
  /** Frees the samples when no run uses them any more. Idempotent. */
  close(): void;
}

export interface DecodeOptions {
  /** true: keep up to `maxChannels` apart (identical channels are one); false: mix down to one. */
  readonly splitChannels: boolean;
  readonly maxChannels: number;
  /** Enforced while decoding: a bomb never fills the memory. */
  readonly maxDurationMs: number;
}

/** Work on a thread of its own. `cancel()` is idempotent and may come at any time; `result` then rejects with `cancelled`. */
export interface Job<T> {
  readonly result: Promise<T>;
  cancel(): void;
}

export interface ModelOptions {
  /** Index of the GPU, or -1: CPU only. Ignored when the build has no GPU backend. */
  readonly gpu: number;
  /** Of the CPU, for all runs together: no more than there are cores. */
  readonly threads: number;
  /** Our own kernels where the CPU computes; false: ggml's, which a GPU always uses. */
  readonly kernels: boolean;
  /** Windows decoded at the same time, at most, and the memory that they may take: 0 = no limit. There is one at least. */
  readonly slots: number;
  readonly slotsBytes: number;
}

/** What was computed on a model so far, and what it computes now. */
export interface Counters {
  /** Windows that were encoded, and the time of that; steps of the decoder, their tokens, and their time. */
  readonly windows: number;
  readonly encodingUs: number;
  readonly steps: number;
  readonly rows: number;
  readonly decodingUs: number;
  /** Slots whose windows are encoded or decoded now. */
  readonly slotsInUse: number;
}

/** Weights, read-only, shared by any number of runs. */
export interface Model {
  /** "tiny", "base", ... as whisper.cpp names the shape, e.g. "base". */
  readonly type: string;
  readonly multilingual: boolean;
  /** e.g. "f16", "q8_0". */
  readonly precision: string;
  /** Size of the weights' file. */
  readonly bytes: number;
  /** Windows decoded at the same time, and what each takes when it has been used. */
  readonly slots: number;
  readonly bytesPerSlot: number;
  /** Codes of the languages that it knows; ["en"] for English-only models. */
  readonly languages: readonly string[];
  /** Starts a run. Runs are served by priority, then by least audio served so far, and decoded together. `onEvent` is called on the JS thread, in order. */
  run(pcm: Pcm, options: RunOptions, onEvent: (event: RunEvent) => void): Run;
  counters(): Counters;
  /** Resolves when the last run has ended and the weights are freed. Runs can no longer be started. Idempotent. */
  close(): Promise<void>;
}

/** One execution. It keeps its Model and Pcm alive. */
export interface Run {
  /** Asks the run to stop; it ends with the error `cancelled`, at the latest after the step that is being computed. Idempotent. */
  cancel(): void;
}

/** Options of one run: complete and flat. `splitChannels` is not among them: a run has one channel. */
export interface RunOptions extends Omit<Options, "splitChannels" | "seed"> {
  /** Of what is drawn at temperatures above 0: 0..2^31-1. */
  readonly seed: number;
  readonly priority: Priority;
  /** Whether `attempt` and `token` events are wanted. */
  readonly tokenEvents: boolean;
  /** Path of Silero weights in whisper.cpp's format; "" when `vad` is false. */
  readonly vadModel: string;
}

/**
 * For each window: its attempts with their tokens if they are wanted, its segments, `progress`. Then exactly one `done` or
 * `error`. What was accepted is not yet a segment: another attempt may follow, and what comes after the window's last
 * timestamp is heard again in the next one.
 */
export type RunEvent =
  /** A window's decoding begins, 0 being the first time; what was accepted of it before does not count. */
  | { readonly type: "attempt"; readonly number: number; readonly temperature: number }
  /** Accepted: the attempt's result will have it. With beams text comes when all of them have it, timestamps as the best has them by then. Without times; windowMs: of a timestamp, from its window's start. */
  | { readonly type: "token"; readonly token: Token; readonly windowMs: number | null }
  | { readonly type: "segment"; readonly segment: Omit<Segment, "channel"> }
  /** A window is finished: audio behind it, of the whole (in the recording's timeline, offset included). */
  | { readonly type: "progress"; readonly doneMs: number; readonly totalMs: number }
  | { readonly type: "done"; readonly language: string; readonly computeMs: number; readonly waitMs: number }
  | { readonly type: "error"; readonly code: NativeErrorCode; readonly message: string };

export interface LiveOptions {
  /** Of the samples that will come: 8000 to 96000. */
  readonly rate: number;
  /** Path of Silero weights in whisper.cpp's format; "": speech is told from noise by its energy. */
  readonly vadModel: string;
  /** Of what is not forgotten or waits for the thread; `append` throws RangeError when it would be more. */
  readonly maxBufferedMs: number;
}

/**
 * Audio that still comes: resampled to 16 kHz and judged on a thread of its own. Times count from its first sample. When it
 * has failed (`internal`, `out_of_memory`), what is called next throws that. Ends with `close()`, or is collected when all that
 * was appended has been judged and nobody holds it.
 */
export interface Live {
  /** Milliseconds appended so far. */
  readonly appendedMs: number;
  /** Signed 16-bit little-endian samples of one channel; copied. An odd byte waits for its other half. */
  append(bytes: Uint8Array): void;
  /**
   * The audio between two times as a Pcm: a copy of what was appended until now, without up to 3.2 ms of its end, which the
   * resampler holds back. Throws RangeError for what was forgotten; `close()` rejects with `closed`.
   */
  pcm(fromMs: number, toMs: number): Promise<Pcm>;
  /** Frees what lies before, of what was appended until now. */
  forget(beforeMs: number): void;
  /** Idempotent; `onFrames` is not called any more, and the other functions throw `closed`. */
  close(): void;
}

/** How probably each of the next frames of 32 ms is speech, 0..1, oldest first; `endMs`: where the last one ends. */
export type OnFrames = (probabilities: Float32Array, endMs: number) => void;

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Device {
  readonly name: string;
  readonly description: string;
  readonly type: "cpu" | "gpu" | "accelerator";
  readonly memoryBytes: number;
}

export interface Info {
  /** of whisper.cpp */
  readonly version: string;
  /** whisper.cpp's line on CPU features and backends. */
  readonly system: string;
  /** Instruction set of our own kernels on this CPU: "avx512", "avx2" or "baseline". */
  readonly kernels: string;
  /** libavformat's version, or null: built-in decoders only. */
  readonly ffmpeg: string | null;
  /** What the build computes on beside the CPU, whether this machine has it or not: "CUDA", "Metal", "Vulkan". */
  readonly backends: readonly string[];
  readonly devices: readonly Device[];
}

export interface Native {
  info(): Info;
  /** Lines of whisper.cpp, ggml and libav. null: drop them. Any thread may log; lines are dropped when JS cannot follow. */
  setLog(sink: ((level: LogLevel, line: string) => void) | null): void;
  /** Decodes a file or bytes (copied) to 16 kHz, on a thread of its own. */
  decode(source: string | Uint8Array, options: DecodeOptions): Job<Pcm>;
  /** Samples of one channel at 16 kHz, -1..1; copied. For tests. */
  pcm(samples: Float32Array): Pcm;
  /** Reads weights on a thread of its own. */
  loadModel(path: string, options: ModelOptions): Job<Model>;
  /** Reads the VAD weights at the call (some milliseconds); throws `io`, `bad_model`. `onFrames` is called on the JS thread, in order. */
  openLive(options: LiveOptions, onFrames: OnFrames): Live;
}

/** The addon cannot be loaded. The message says what is missing: the build, a library, or instructions of the processor. */
export class AddonError extends Error {
  override readonly name = "AddonError";
}

/**
 * Of a compiled program: why it reads with the built-in decoders, for example "libavformat.so.59: cannot open shared object file".
 * null: it was not kept from loading the addon that it was built with.
 */
export let missingLibrary: string | null = null;

export const native: Native = load();

/** Throws AddonError. */
function load(): Native {
  // Literal requires, so that `bun build --compile` embeds the files.
  try {
    return require("../build/Release/whisper.node");
  } catch (error) {
    try {
      // Of a compiled program only: without the FFmpeg libraries that the other one was built with.
      const builtin: Native = require("../build/Release/whisper-builtin.node");
      missingLibrary = (error as Error).message;
      return builtin;
    } catch (second) {
      const cause = (second as { code?: string }).code === "MODULE_NOT_FOUND" ? error : second;
      throw new AddonError((cause as Error).message, { cause });
    }
  }
}
