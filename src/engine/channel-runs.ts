/** A recording on its way through the addon: a native run for each of its channels, and one stream of what they say. */
import type { AppError } from "../core/errors.ts";
import type { Priority } from "../core/options.ts";
import type { TranscriptEvent } from "../core/transcript.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Model, NativeError, NativeErrorCode, Pcm, Run, RunEvent } from "../native.ts";
import { openSpan } from "../tracing.ts";
import type { Ticket } from "./admission.ts";
import { EventQueue } from "./event-queue.ts";
import { runError } from "./refusals.ts";

type RunOptions = Parameters<Model["run"]>[1];

/** It holds its ticket and its samples until the last run has ended. */
export class ChannelRuns {
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

  /** A run for each channel; called once. What fails is told by the events. */
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

  /** Read once; leaving early cancels the runs. */
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
