/** The engine over the addon: admission, decoding, and one native run per channel, as one stream of events. */
import { statSync } from "node:fs";
import { AppError } from "../core/errors.ts";
import { seedOf } from "../core/options.ts";
import type { TranscriptEvent } from "../core/transcript.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Live, Model, NativeError, Pcm } from "../native.ts";
import { span } from "../tracing.ts";
import type { Admission, Share } from "./admission.ts";
import { ChannelRuns } from "./channel-runs.ts";
import { type DecoderOptions, decode } from "./decode.ts";
import type { Engine, EngineRequest, ListenOptions, LiveAudio, LiveRequest, ModelInfo } from "./engine.ts";
import { noVad, runError } from "./refusals.ts";

export interface WhisperEngineOptions extends DecoderOptions {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly model: {
    readonly path: string;
    readonly id: string;
    readonly warning: string | null;
    readonly digest: Promise<string> | null;
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
}

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
    return this.start(request, (signal) => decode(this.options, request, signal));
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
    const runs = new ChannelRuns(pcm, ticket, signal, {
      ...{ priority, requestId, log, metrics },
      refund: () => request.refund?.(durationMs),
    });
    runs.start(this.weights, {
      ...ofOneChannel,
      seed: seedOf(options),
      // A turn is shown by its segments. Of several channels nobody could tell whose they are.
      tokenEvents: priority !== "live" && pcm.channels === 1,
      vadModel: options.vad && vadModel !== null ? vadModel : "",
      priority,
    });
    return runs.events();
  }

  close(graceMs: number): Promise<void> {
    this.closing ??= this.shutDown(graceMs);
    return this.closing;
  }

  private async shutDown(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.stop.abort(AppError.shuttingDown()), graceMs);
    await this.admission.close();
    clearTimeout(timer);
    await this.weights.close();
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
