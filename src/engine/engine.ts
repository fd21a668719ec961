/** What the layers above know of the engine. The real one is whisper.ts; tests of HTTP use one without an addon. */
import type { AudioAllowance } from "../core/limits.ts";
import type { Options, Priority } from "../core/options.ts";
import type { TranscriptEvent } from "../core/transcript.ts";
import type { Counters } from "../native.ts";

/**
 * `admit` is asked with the length of the recording when it is decoded, before the run begins; what it throws refuses the request.
 * `refund` is called when such a run ends without having said anything: it failed, or was cancelled.
 */
export interface EngineRequest extends Partial<AudioAllowance> {
  /** Path of the recording. The engine only reads it, and only until `transcribe` has resolved. */
  readonly path: string;
  readonly options: Options;
  readonly priority: Priority;
  /** Cancels it, queued or running. */
  readonly signal: AbortSignal;
  /** For the log. */
  readonly requestId: string;
}

/** Audio that still comes, one channel. Times are milliseconds from its first sample. */
export interface LiveAudio {
  /** So far. */
  readonly appendedMs: number;
  /** Signed 16-bit little-endian samples; copied. Throws audio_too_long when too much is not forgotten. */
  append(bytes: Uint8Array): void;
  /** Admission, with priority `live`, and a run over a part that is not forgotten. As Engine.transcribe; times count from `fromMs`. */
  transcribe(request: LiveRequest): Promise<AsyncIterable<TranscriptEvent>>;
  /** Frees what lies before. */
  forget(beforeMs: number): void;
  /** Frees everything; runs that have begun go on. Nothing is told any more. Idempotent. */
  close(): void;
}

export interface LiveRequest extends Partial<AudioAllowance> {
  readonly fromMs: number;
  readonly toMs: number;
  readonly options: Options;
  readonly signal: AbortSignal;
  /** For the log. */
  readonly requestId: string;
  /** Transcribes it in place of the one that listens. */
  readonly engine?: Engine;
}

export interface ListenOptions {
  /** Of the samples: 8000..96000. */
  readonly rate: number;
  /** Bound of what is kept: more that is not forgotten is refused. */
  readonly maxBufferedMs: number;
  /** How probably each 32 ms are speech, 0..1, oldest first; `endMs` is where the last ones end. Called some time after append(). */
  readonly onFrames: (probabilities: Float32Array, endMs: number) => void;
}

/** The model that answers, and what it cannot do. */
export interface ModelInfo {
  /** Name in the catalogue, or the file's base name. */
  readonly id: string;
  readonly multilingual: boolean;
  readonly languages: readonly string[];
  readonly precision: string;
  readonly bytes: number;
  /**
   * SHA-256 of the weights' file, in lower-case hex. Pending while it is computed; rejects when the file could not be read. null where
   * no result is kept: it takes a second for a gigabyte.
   */
  readonly digest: Promise<string> | null;
  /** Windows decoded at the same time. */
  readonly slots: number;
  /** Unix seconds, of the weights' file. */
  readonly createdSeconds: number;
  /** A plain sentence for people when the model is a stop-gap (demo.bin), else null. */
  readonly warning: string | null;
}

/** An engine's own work, and the bounds of that of all engines together. */
export interface EngineStatus {
  readonly running: number;
  readonly queued: number;
  readonly maxRunning: number;
  readonly maxQueued: number;
}

export interface Engine {
  readonly model: ModelInfo;
  status(): EngineStatus;
  /** What was computed on its model. Throws when it is closed. */
  counters(): Counters;
  /**
   * Admission, decoding and start. Resolves when the run has begun; every refusal rejects with an AppError before that:
   * server_overloaded, invalid_file_format, corrupt_audio, audio_too_short, audio_too_long, request_cancelled, ...
   * The iterable is read once; leaving it early cancels the run.
   */
  transcribe(request: EngineRequest): Promise<AsyncIterable<TranscriptEvent>>;
  /** What judges speech in live audio: Silero's network, or loudness where its weights are not installed. */
  readonly detector: "silero" | "energy";
  listen(options: ListenOptions): LiveAudio;
  /** Refuses new work, waits for running work at most `graceMs`, then cancels it. Idempotent. */
  close(graceMs: number): Promise<void>;
}
