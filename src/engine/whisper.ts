/** The engine over the addon: admission, decoding, and one native run per channel, as one stream of events. */
import { statSync } from "node:fs";
import { AppError } from "../core/errors.ts";
import { type Priority, seedOf } from "../core/options.ts";
import type { TranscriptEvent } from "../core/transcript.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Live, Model, Native, NativeError, NativeErrorCode, Pcm, Run, RunEvent } from "../native.ts";
import { openSpan, span } from "../tracing.ts";
import { type Admission, type Share, shuttingDown, type Ticket } from "./admission.ts";
import type { Engine, EngineRequest, ListenOptions, LiveAudio, LiveRequest, ModelInfo } from "./engine.ts";
import { EventQueue } from "./event-queue.ts";
import type { SampleMemory } from "./sample-memory.ts";

export interface WhisperEngineOptions {
  readonly native: Native;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly model: {
    readonly path: string;
    readonly id: string;
    readonly warning: string | null;
    readonly digest: Promise<string>;
  };
  /** Path of Silero's weights, or null: requests with `vad` are refused. */
  readonly vadModel: string | null;
  /** Index of the GPU, or -1. */
  readonly gpu: number;
  readonly threads: number;
  /** Windows decoded together, and the memory that they may take (0: no limit). */
  readonly slots: number;
  readonly slotsBytes: number;
  /** Of all engines. */
  readonly admission: Admission;
  readonly memory: SampleMemory;
  readonly maxDurationMs: number;
}

/** Channels that are transcribed apart, at most: each is a run. */
const maxChannels = 8;

/** Samples are floats at 16 kHz. */
const bytesPerSample = 4;
const bytesPerMsOfChannel = 16 * bytesPerSample;
const shortMs = 600_000;

/** Loads the weights. Rejects with the addon's error when they cannot be used. */
export async function openWhisperEngine(options: WhisperEngineOptions): Promise<Engine> {
  const { native, model, gpu, threads, slots, slotsBytes } = options;
  const loaded = await native.loadModel(model.path, { gpu, threads, slots, slotsBytes, kernels: true })
    .result;
  return new WhisperEngine(options, loaded);
}

class WhisperEngine implements Engine {
  readonly model: ModelInfo;
  private readonly admission: Share;
  /** Fires when running work has had its time to end. */
  private readonly stop = new AbortController();
  private closing: Promise<void> | null = null;

  constructor(
    private readonly options: WhisperEngineOptions,
    private readonly weights: Model,
  ) {
    this.admission = options.admission.share();
    this.model = {
      id: options.model.id,
      warning: options.model.warning,
      digest: options.model.digest,
      multilingual: weights.multilingual,
      languages: weights.languages,
      precision: weights.precision,
      bytes: weights.bytes,
      slots: weights.slots,
      createdSeconds: Math.floor(statSync(options.model.path).mtimeMs / 1000),
    };
  }

  status() {
    return this.admission.status;
  }

  counters() {
    return this.weights.counters();
  }

  get detector() {
    return this.options.vadModel === null ? "energy" : "silero";
  }

  transcribe(request: EngineRequest): Promise<AsyncIterable<TranscriptEvent>> {
    return this.start(request, (signal) => this.decode(request, signal));
  }

  listen({ rate, maxBufferedMs, onFrames }: ListenOptions): LiveAudio {
    const { native, vadModel } = this.options;
    const live = native.openLive({ rate, maxBufferedMs, vadModel: vadModel ?? "" }, onFrames);
    return {
      get appendedMs() {
        return live.appendedMs;
      },
      append: (bytes) => append(live, bytes),
      transcribe: (request) => {
        const engine = request.engine instanceof WhisperEngine ? request.engine : this;
        return engine.start({ ...request, priority: "live" }, () => part(live, request));
      },
      forget: (beforeMs) => live.forget(beforeMs),
      close: () => live.close(),
    };
  }

  /** Admission, `open` for the samples, and a run for each of their channels. */
  private async start(
    request: Omit<EngineRequest, "path">,
    open: (signal: AbortSignal) => Promise<Pcm>,
  ): Promise<AsyncIterable<TranscriptEvent>> {
    const { vadModel, metrics } = this.options;
    const { options, priority, requestId } = request;
    const log = priority === "live" ? quiet(this.options.log) : this.options.log;
    const signal = AbortSignal.any([request.signal, this.stop.signal]);
    if (options.vad && vadModel === null) throw noVad();
    const ticket = await span("admission", { priority }, () => this.admission.enter(priority, signal)).catch(
      (error: unknown) => {
        if (error instanceof AppError && error.code === "server_overloaded")
          metrics.refusals.inc({ budget: "queue" });
        throw error;
      },
    );
    metrics.queueSeconds.observe({ priority }, ticket.waitedMs / 1000);
    if (ticket.waitedMs >= 1) {
      log.info("admitted", { requestId, waitedMs: Math.round(ticket.waitedMs), position: ticket.position });
    }
    let pcm: Pcm | null = null;
    try {
      pcm = await span("decode", {}, () => open(signal));
      await request.admit?.(pcm.durationMs);
    } catch (error) {
      pcm?.close();
      ticket.release();
      throw error;
    }
    const { durationMs } = pcm;
    const { splitChannels: _, ...ofOneChannel } = options;
    const transcription = new Transcription(pcm, ticket, signal, {
      ...{ priority, requestId, log, metrics },
      refund: () => request.refund?.(durationMs),
    });
    transcription.start(this.weights, {
      ...ofOneChannel,
      seed: seedOf(options),
      // A turn is shown by its segments. Of several channels nobody could tell whose they are.
      tokenEvents: priority !== "live" && pcm.channels === 1,
      vadModel: options.vad && vadModel !== null ? vadModel : "",
      priority,
    });
    return transcription.events();
  }

  close(graceMs: number): Promise<void> {
    this.closing ??= this.shutDown(graceMs);
    return this.closing;
  }

  private async shutDown(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.stop.abort(shuttingDown()), graceMs);
    await this.admission.close();
    clearTimeout(timer);
    await this.weights.close();
  }

  /** Most recordings are short: only one that turns out to be long waits for room for the longest. */
  private async decode(request: EngineRequest, signal: AbortSignal): Promise<Pcm> {
    const { memory, maxDurationMs } = this.options;
    const bytesPerMs = (request.options.splitChannels ? maxChannels : 1) * bytesPerMsOfChannel;
    const mostMs = Math.min(maxDurationMs, Math.floor(memory.maxBytes / bytesPerMs));
    const short = mostMs > shortMs ? await this.decodeUpTo(shortMs, bytesPerMs, request, signal) : null;
    const pcm = short ?? (await this.decodeUpTo(mostMs, bytesPerMs, request, signal));
    if (pcm) return pcm;
    const limit = mostMs < maxDurationMs ? "for which this server has memory" : "the limit of this server";
    throw new AppError("audio_too_long", `The recording is longer than ${mostMs / 1000} s, ${limit}`, {
      param: "file",
    });
  }

  /** null: it is longer. */
  private async decodeUpTo(
    maxDurationMs: number,
    bytesPerMs: number,
    { path, options: { splitChannels } }: EngineRequest,
    signal: AbortSignal,
  ): Promise<Pcm | null> {
    const { native, memory } = this.options;
    const room = await memory.take(maxDurationMs * bytesPerMs, signal);
    const job = native.decode(path, { splitChannels, maxChannels, maxDurationMs });
    const onAbort = () => job.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) job.cancel();
    try {
      const pcm = await job.result;
      room.shrink(pcm.samples * pcm.channels * bytesPerSample);
      const close = () => {
        pcm.close();
        room.release();
      };
      return { ...pcm, close };
    } catch (error) {
      room.release();
      if ((error as NativeError).code === "audio_too_long") return null;
      throw decodingError(error as NativeError, signal, native.info().ffmpeg !== null);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** A turn that is spoken is transcribed many times. */
const quiet = (log: Logger): Logger => ({ ...log, info: log.debug });

function append(live: Live, bytes: Uint8Array): void {
  try {
    live.append(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new AppError("audio_too_long", "Too much audio waits to be transcribed", { cause: error });
  }
}

async function part(live: Live, { fromMs, toMs, signal }: LiveRequest): Promise<Pcm> {
  try {
    return await live.pcm(fromMs, toMs);
  } catch (error) {
    throw runError((error as NativeError).code ?? "internal", (error as Error).message, signal);
  }
}

type RunOptions = Parameters<Model["run"]>[1];

/** One recording on its way through the addon. It holds its ticket and its samples until the last run has ended. */
class Transcription {
  private readonly queue = new EventQueue<TranscriptEvent>();
  private readonly runs: Run[] = [];
  private readonly doneMs: number[] = [];
  private readonly languages: string[] = [];
  private readonly onAbort = () => this.cancel();
  private segments = 0;
  private running = 0;
  private computeMs = 0;
  private failure: AppError | null = null;
  private readonly startedAt = performance.now();
  private readonly endSpan: (failed?: string) => void;

  constructor(
    private readonly pcm: Pcm,
    private readonly ticket: Ticket,
    private readonly signal: AbortSignal,
    private readonly about: {
      readonly priority: Priority;
      readonly requestId: string;
      readonly log: Logger;
      readonly metrics: Metrics;
      /** Called when it fails without having said anything. */
      readonly refund: () => void;
    },
  ) {
    const { durationMs, channels, format } = pcm;
    this.endSpan = openSpan("run", {
      "audio.ms": durationMs,
      "audio.channels": channels,
      "audio.format": format,
    });
  }

  start(weights: Model, options: RunOptions): void {
    const { durationMs, channels } = this.pcm;
    this.queue.push({ type: "start", durationMs, channels });
    this.signal.addEventListener("abort", this.onAbort, { once: true });
    try {
      for (let channel = 0; channel < channels; channel += 1) {
        this.running += 1;
        const samples = this.pcm.channel(channel);
        this.runs.push(weights.run(samples, options, (event) => this.receive(event, channel)));
        samples.close();
      }
    } catch (error) {
      this.fail((error as NativeError).code ?? "internal", (error as Error).message);
      this.cancel();
      this.ended();
    }
    if (this.signal.aborted) this.cancel();
  }

  events(): AsyncIterable<TranscriptEvent> {
    return this.queue.read(() => this.cancel());
  }

  /** Idempotent; also after the end. */
  cancel(): void {
    for (const run of this.runs) run.cancel();
  }

  private receive(event: RunEvent, channel: number): void {
    const { metrics } = this.about;
    switch (event.type) {
      case "attempt":
        if (event.number > 0) metrics.fallbacks.inc();
        this.queue.push(event);
        break;
      case "token":
        this.queue.push(event);
        break;
      case "segment":
        metrics.segments.inc();
        metrics.tokens.inc(event.segment.tokens.length);
        this.queue.push({ type: "segment", segment: { ...event.segment, id: this.segments, channel } });
        this.segments += 1;
        break;
      case "progress": {
        this.doneMs[channel] = event.doneMs;
        const doneMs = this.doneMs.reduce((sum, ms) => sum + ms, 0) / this.pcm.channels;
        this.queue.push({ type: "progress", doneMs: Math.round(doneMs), totalMs: event.totalMs });
        break;
      }
      case "done":
        this.languages[channel] = event.language;
        this.computeMs += event.computeMs;
        this.ended();
        break;
      case "error":
        this.fail(event.code, event.message);
        this.cancel();
        this.ended();
    }
  }

  private fail(code: NativeErrorCode, message: string): void {
    this.failure ??= runError(code, message, this.signal);
  }

  /** Called once per run; the last one closes the stream. */
  private ended(): void {
    this.running -= 1;
    if (this.running > 0) return;
    this.signal.removeEventListener("abort", this.onAbort);
    this.tell();
    this.pcm.close();
    this.ticket.release();
    if (!this.failure) this.queue.push({ type: "done", language: this.languages[0] ?? "en" });
    this.queue.close(this.failure ?? undefined);
  }

  /** What there was to do, and what came of it. */
  private tell(): void {
    const { durationMs, channels, format } = this.pcm;
    const { priority, requestId, log, metrics, refund } = this.about;
    const { segments, computeMs } = this;
    const failed = this.failure?.code;
    if (failed !== undefined && segments === 0) refund();
    const wallSeconds = (performance.now() - this.startedAt) / 1000;
    this.endSpan(failed);
    metrics.runs.inc({ priority, outcome: failed ?? "done" });
    metrics.runSeconds.observe({ priority }, wallSeconds);
    if (failed === undefined) {
      metrics.audioSeconds.inc({ priority }, durationMs / 1000);
      metrics.realTimeFactor.observe({ priority }, wallSeconds / (durationMs / 1000));
    }
    log.info("transcribed", {
      ...{ requestId, durationMs, channels, format, segments, computeMs },
      ...(failed ? { failed } : {}),
    });
  }
}

const formats = ["flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm"];

/** What a caller is told when his file is no recording that we can read. */
function decodingError(error: NativeError, signal: AbortSignal, withFfmpeg: boolean): AppError {
  const { code, message } = error;
  const details = { param: "file", cause: error };
  switch (code) {
    case "unsupported_format":
      if (!withFfmpeg) return new AppError("unsupported_media_type", message, details);
      return new AppError(
        "invalid_file_format",
        `Invalid file format. Supported formats: ${JSON.stringify(formats)}. ${message}`,
        details,
      );
    case "no_audio":
      return new AppError("no_audio_track", message, details);
    case "corrupt_audio":
    case "audio_too_short":
    case "audio_too_long":
      return new AppError(code, message, details);
    default:
      return runError(code, message, signal);
  }
}

function runError(code: NativeErrorCode, message: string, signal: AbortSignal): AppError {
  const cause = new Error(message);
  if (code === "cancelled") return AppError.cancelled(signal);
  if (code === "closed") return shuttingDown();
  if (code === "out_of_memory") {
    return new AppError("server_overloaded", "Not enough memory for another recording now", {
      retryAfterSeconds: 30,
      cause,
    });
  }
  return new AppError("internal_error", "The transcription failed", { cause });
}

const noVad = () =>
  new AppError("model_unavailable", "Voice activity detection is not installed on this server", {
    param: "vad",
  });
