/** The runs over a session's audio, one at a time: each turn at its end and, if text is wanted sooner, the open one again and again. */
import type { Clock } from "../core/clock.ts";
import type { AppError } from "../core/errors.ts";
import { logprobsOf } from "../core/formats.ts";
import type { AudioAllowance } from "../core/limits.ts";
import type { Engine, LiveAudio } from "../engine/engine.ts";
import type { Metrics } from "../metrics.ts";
import type { ModelUse } from "../models/models.ts";
import { span } from "../tracing.ts";
import { logprobsKey, type SessionConfig, type Spoken } from "./config.ts";
import { decodingOptions, quick, refineEveryMs } from "./decoding.ts";
import * as events from "./events.ts";
import type { InputBuffer } from "./input-buffer.ts";
import type { Decoding, Utterance } from "./utterance.ts";

/** What passes run with. */
export interface PassResources {
  /** The one that listens. */
  readonly engine: Pick<Engine, "detector">;
  /** The engine of a model, for one pass. */
  readonly use: (model: string, signal: AbortSignal) => Promise<ModelUse>;
  readonly spoken: Spoken;
  readonly metrics: Metrics;
  /** Of the request that became the session. */
  readonly requestId: string;
  readonly clock: Clock;
  /** Each piece of audio is charged to it when it is first transcribed. */
  readonly allowance: AudioAllowance;
}

/** Whose passes they are. */
export interface PassOwner {
  readonly id: string;
  /** Fires when the session ends. */
  readonly ended: AbortSignal;
  readonly tell: (event: events.ServerEvent) => void;
  /** What the client may know of a failure. */
  readonly shown: (error: unknown) => AppError;
  /** A pass has ended: something else can be done. */
  readonly advance: () => void;
}

interface EndedTurn {
  readonly utterance: Utterance;
  readonly endMs: number;
  /** By the clock. */
  readonly endedAt: number;
  /** Nobody has judged whether it holds speech. */
  readonly isManual: boolean;
}

export class Passes {
  private readonly queue: EndedTurn[] = [];
  /** The pass that runs now. */
  private current: { readonly utterance: Utterance; readonly abort: AbortController } | null = null;
  private lastMs = 0;

  constructor(
    private readonly resources: PassResources,
    private readonly input: InputBuffer,
    private readonly owner: PassOwner,
  ) {}

  /** Turns that wait for their transcript. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Those whose audio is needed. */
  get utterances(): readonly Utterance[] {
    const queued = this.queue.map(({ utterance }) => utterance);
    return this.current ? [...queued, this.current.utterance] : queued;
  }

  /** A turn has ended, and is transcribed after those before it. */
  enqueue(utterance: Utterance, endMs: number, isManual: boolean): void {
    this.queue.push({ utterance, endMs, endedAt: this.resources.clock.now(), isManual });
    // what its pass would find as long as it was open, the last one finds too
    this.abort(utterance);
  }

  /** Nobody wants to hear what a pass over it would find. */
  abort(utterance: Utterance | null): void {
    if (utterance && this.current?.utterance === utterance) this.current.abort.abort();
  }

  /** Those that wait are dropped. */
  clear(): void {
    this.queue.length = 0;
  }

  /** Starts the next pass, unless one runs or there is nothing to do. */
  next(audio: LiveAudio, config: SessionConfig): void {
    if (this.current) return;
    const [ended] = this.queue;
    if (ended) {
      void this.run(ended.utterance, audio, config, async (decoding) => {
        await this.finish(ended, config, decoding);
        this.queue.shift();
      });
      return;
    }
    const utterance = this.growing(config);
    if (!utterance) return;
    const toMs = this.input.judgedMs;
    void this.run(utterance, audio, config, async (decoding) => {
      const text = await utterance
        .refine(toMs, { ...decoding, options: quick(decoding.options) })
        .catch(() => "");
      // a turn that was cleared meanwhile has nothing to say
      const isWanted = this.input.open === utterance || this.queue[0]?.utterance === utterance;
      if (text !== "" && isWanted) this.owner.tell(events.delta(utterance.itemId, text, null));
    });
  }

  /** The open turn, if it is time to hear what it has so far. */
  private growing({ transcription }: SessionConfig): Utterance | null {
    const delay = transcription?.delay;
    if (!delay) return null;
    const utterance = this.input.growing();
    // a pass that takes long makes the next one wait as long: others need the machine too
    const everyMs = Math.max(refineEveryMs[delay], this.lastMs);
    if (!utterance || this.input.judgedMs - utterance.refinedMs < everyMs) return null;
    return this.input.speechMs > utterance.refinedMs ? utterance : null;
  }

  private async run(
    utterance: Utterance,
    audio: LiveAudio,
    config: SessionConfig,
    act: (decoding: Decoding) => Promise<void>,
  ): Promise<void> {
    const { allowance, clock, requestId, spoken, use } = this.resources;
    const abort = new AbortController();
    this.current = { utterance, abort };
    const startedMs = clock.now();
    const signal = AbortSignal.any([this.owner.ended, abort.signal]);
    const model = config.transcription?.model ?? spoken.model;
    const decoding: Decoding = {
      ...{ allowance, signal, requestId },
      audio: {
        transcribe: async (request) => {
          using lent = await use(model, signal);
          return await audio.transcribe({ ...request, engine: lent.engine });
        },
      },
      options: decodingOptions(config, spoken),
    };
    await span("pass", { "whisper.session_id": this.owner.id }, () => act(decoding));
    this.lastMs = clock.now() - startedMs;
    this.current = null;
    this.owner.advance();
  }

  private async finish(
    { utterance, endMs, endedAt, isManual }: EndedTurn,
    { include, transcription }: SessionConfig,
    decoding: Decoding,
  ): Promise<void> {
    const { clock, engine, metrics } = this.resources;
    const { ended, shown, tell } = this.owner;
    const { itemId, startMs } = utterance;
    // silence that a client commits must not become words
    const vad = isManual && engine.detector === "silero";
    try {
      const { rest, segments, fromMs } = await utterance.finish(endMs, {
        ...decoding,
        options: { ...decoding.options, vad },
      });
      if (ended.aborted) return;
      const tokens = segments.flatMap((segment) => segment.tokens);
      const logprobs = include?.includes(logprobsKey) ? logprobsOf(tokens) : null;
      if (rest !== "") tell(events.delta(itemId, rest, logprobs));
      if (transcription?.model.endsWith("-diarize")) {
        for (const segment of segments) tell(events.speakerSegment(itemId, segment, fromMs - startMs));
      }
      tell(events.completed(itemId, utterance.text, endMs - startMs, logprobs));
      metrics.turns.inc({ outcome: "completed" });
      metrics.turnSeconds.observe((clock.now() - endedAt) / 1000);
    } catch (error) {
      if (ended.aborted) return;
      metrics.turns.inc({ outcome: "failed" });
      tell(events.failed(itemId, shown(error)));
    }
  }
}
