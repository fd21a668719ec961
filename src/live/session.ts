/**
 * A live session: OpenAI's realtime transcription over whatever carries its events. Client events go in as texts, server events
 * come out as objects; audio goes to the engine, which judges and transcribes it.
 */
import { AppError } from "../core/errors.ts";
import { logprobsOf } from "../core/formats.ts";
import type { AudioAllowance } from "../core/limits.ts";
import type { Engine, LiveAudio } from "../engine/engine.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { ModelUse } from "../models/models.ts";
import { span } from "../tracing.ts";
import { type ClientEvent, parse, readAudio } from "./client-events.ts";
import { logprobsKey, rateOf, type SessionConfig, type Spoken } from "./config.ts";
import { decodingOptions, quick, refineEveryMs, turnSettings } from "./decoding.ts";
import * as events from "./events.ts";
import { TokenBucket } from "./flow.ts";
import { decodeG711 } from "./g711.ts";
import { type Clock, closeCodes, type Limits } from "./limits.ts";
import { update, updateBeta } from "./session-object.ts";
import type { AudioShare } from "./shared-audio.ts";
import { frameMs, TurnDetector, type TurnEvent } from "./turns.ts";
import { type Decoding, Utterance } from "./utterance.ts";

export interface SessionOptions {
  /** It listens. */
  readonly engine: Pick<Engine, "listen" | "detector">;
  /** The engine of a model, for one pass. */
  readonly use: (model: string, signal: AbortSignal) => Promise<ModelUse>;
  readonly spoken: Spoken;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Of the request that became the session. */
  readonly requestId: string;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Of the audio that all sessions keep. */
  readonly share: AudioShare;
  /** Each piece of audio is charged to it when it is first transcribed. */
  readonly allowance: AudioAllowance;
  readonly config: SessionConfig;
  readonly dialect: events.Dialect;
  readonly send: (event: object) => void;
  /** Called once, as the last. */
  readonly close: (code: number, reason: string) => void;
  /** Whether the client is to be read; not is asked for while too much of what it sent is undone. */
  readonly read: (wanted: boolean) => void;
}

/** An event of this length counts as one. */
const eventLength = 2 ** 14;
const shortestCommitMs = 100;
/** Silence that is kept while turns are looked for: a client may still commit it. */
const keptSilenceMs = 30_000;
/** Sent, but not yet judged: more is not read. */
const maxUnjudgedMs = 60_000;

interface Committed {
  readonly utterance: Utterance;
  readonly endMs: number;
  /** By the clock. */
  readonly endedAt: number;
  /** Nobody has judged whether it holds speech. */
  readonly isManual: boolean;
}

export class Session {
  readonly id = events.newId("sess");
  private config: SessionConfig;
  private dialect: events.Dialect;
  private readonly expiresAt: number;
  private readonly bucket: TokenBucket;
  private readonly cancelExpiry: () => void;
  /** Fires when the session ends. */
  private readonly ended = new AbortController();
  private audio: LiveAudio | null = null;
  private detector: TurnDetector | null = null;
  /** Up to where audio was judged, where speech was last heard in it, and up to where it belongs to turns or was cleared. */
  private judgedMs = 0;
  private speechMs = 0;
  private doneMs = 0;
  private forgottenMs = 0;
  /** The turn that goes on: one that was detected, or without detection all that is not committed. */
  private open: Utterance | null = null;
  private readonly waiting: Committed[] = [];
  private lastItemId: string | null = null;
  /** The pass that runs now; only one at a time does. */
  private pass: { readonly utterance: Utterance; readonly abort: AbortController } | null = null;
  private lastPassMs = 0;
  private isRead = true;
  /** So far: what was appended, and how many turns were committed. */
  audioMs = 0;
  turns = 0;

  constructor(private readonly options: SessionOptions) {
    const { clock, limits, config, dialect } = options;
    this.config = config;
    this.dialect = dialect;
    this.bucket = new TokenBucket(limits.maxEvents, limits.eventsPerSecond, clock.now);
    this.expiresAt = Math.floor((clock.now() + limits.lifetimeMs) / 1000);
    this.cancelExpiry = clock.after(limits.lifetimeMs, () => this.expire());
    this.detector = this.newDetector();
    this.tellSession("created");
  }

  /** Takes a frame from the client: text, or bytes, which no event is sent as. Never throws. */
  receive(frame: string | Uint8Array): void {
    if (this.ended.signal.aborted) return;
    if (!this.bucket.take(1 + frame.length / eventLength)) {
      this.end(closeCodes.overload, new AppError("rate_limit_exceeded", "Too many events in a short time"));
      return;
    }
    let eventId: string | null = null;
    try {
      const event = parse(frame);
      eventId = typeof event.event_id === "string" ? event.event_id.slice(0, 512) : null;
      this.handle(event);
    } catch (error) {
      this.tellError(error, eventId);
    }
  }

  /** Ends the session and frees all that it holds. The first call counts. */
  end(code: number, error?: AppError): void {
    if (this.ended.signal.aborted) return;
    if (error) this.tell(events.errorEvent(error));
    this.leave();
    this.options.close(code, error?.code ?? "");
  }

  /** The client has gone: nothing can be told any more. Idempotent. */
  leave(): void {
    if (this.ended.signal.aborted) return;
    this.cancelExpiry();
    this.ended.abort();
    this.audio?.close();
    this.options.share.hold(0);
    this.waiting.length = 0;
    this.open = null;
  }

  private handle(event: ClientEvent): void {
    switch (event.type) {
      case "session.update":
        this.configure("ga", update(this.config, event.session, this.options.spoken));
        break;
      case "transcription_session.update":
        this.configure("beta", updateBeta(this.config, event.session, this.options.spoken));
        break;
      case "input_audio_buffer.append":
        this.append(event.audio);
        break;
      case "input_audio_buffer.commit":
        this.commit();
        break;
      case "input_audio_buffer.clear":
        this.clear();
        break;
      default:
        throw new AppError(
          "invalid_value",
          `Expected a client event of a transcription session for type but received ${JSON.stringify(event.type.slice(0, 60))}`,
          { param: "type" },
        );
    }
  }

  private configure(dialect: events.Dialect, config: SessionConfig): void {
    const { format, turn_detection: turns } = this.config;
    if (this.audio && (config.format.type !== format.type || rateOf(config.format) !== rateOf(format))) {
      const param = dialect === "beta" ? "session.input_audio_format" : "session.audio.input.format";
      throw new AppError("invalid_value", `Expected no change of ${param} after audio was appended`, {
        param,
      });
    }
    this.config = config;
    this.dialect = dialect;
    if (JSON.stringify(turns) !== JSON.stringify(config.turn_detection)) {
      this.detector = this.newDetector();
      this.dropOpen();
    }
    this.tellSession("updated");
  }

  private append(encoded: unknown): void {
    const bytes = readAudio(encoded);
    const { format } = this.config;
    const audio = this.listen();
    audio.append(format.type === "audio/pcm" ? bytes : decodeG711(bytes, format.type));
    this.audioMs = Math.floor(audio.appendedMs);
    this.advance();
    if (!this.options.share.hold(this.audioMs - this.forgottenMs)) {
      throw new AppError("audio_too_long", "Too much audio of all sessions waits to be transcribed");
    }
  }

  private commit(): void {
    const endMs = this.audioMs;
    const lengthMs = endMs - this.doneMs;
    if (lengthMs < shortestCommitMs) {
      throw new AppError(
        "input_audio_buffer_commit_empty",
        `Error committing input audio buffer: buffer too small. Expected at least ${shortestCommitMs}ms of audio, ` +
          `but buffer only has ${lengthMs.toFixed(2)}ms of audio.`,
      );
    }
    this.open ??= this.begin(Math.max(this.doneMs, this.keptFromMs()));
    this.close(endMs, true);
    this.detector?.reset(endMs);
    this.advance();
  }

  private clear(): void {
    this.doneMs = this.audioMs;
    this.dropOpen();
    this.detector?.reset(this.doneMs);
    this.tell(events.cleared);
    this.advance();
  }

  private listen(): LiveAudio {
    const { engine, limits } = this.options;
    this.audio ??= engine.listen({
      rate: rateOf(this.config.format),
      maxBufferedMs: limits.maxBufferedMs,
      onFrames: (probabilities, endMs) => this.judge(probabilities, endMs),
    });
    return this.audio;
  }

  private judge(probabilities: Float32Array, endMs: number): void {
    if (this.ended.signal.aborted) return;
    this.judgedMs = endMs;
    const { turn_detection: turns } = this.config;
    const threshold = turns ? turnSettings(turns).threshold : 0.5;
    const last = probabilities.findLastIndex((probability) => probability >= threshold);
    if (last >= 0) this.speechMs = endMs - (probabilities.length - 1 - last) * frameMs;
    for (const event of this.detector?.push(probabilities, endMs) ?? []) this.turn(event);
    this.advance();
  }

  private turn(event: TurnEvent): void {
    if (event.type === "started") {
      this.open = this.begin(event.startMs);
      this.tell(events.speechStarted(this.open.itemId, event.startMs));
    } else if (this.open) {
      this.tell(events.speechStopped(this.open.itemId, event.endMs));
      this.close(event.endMs, false);
    }
  }

  private begin(startMs: number): Utterance {
    return new Utterance(events.newId("item"), startMs);
  }

  /** The open turn ends at `endMs` and waits for its transcript. */
  private close(endMs: number, isManual: boolean): void {
    const utterance = this.open;
    if (!utterance) return;
    this.open = null;
    this.doneMs = endMs;
    for (const event of events.committed(this.dialect, utterance.itemId, this.lastItemId)) this.tell(event);
    this.lastItemId = utterance.itemId;
    this.turns += 1;
    if (this.config.transcription === null) return;
    this.waiting.push({ utterance, endMs, endedAt: this.options.clock.now(), isManual });
    // what the open turn's pass would find, its last one finds too
    if (this.pass?.utterance === utterance) this.pass.abort.abort();
  }

  private dropOpen(): void {
    if (this.open && this.pass?.utterance === this.open) this.pass.abort.abort();
    this.open = null;
  }

  /** Does what can be done next: a pass, freeing what nobody needs, reading on. Called whenever something has changed. */
  private advance(): void {
    if (this.ended.signal.aborted || !this.audio) return;
    if (!this.pass) this.startPass();
    this.forget(this.audio);
    const { maxWaiting } = this.options.limits;
    const isBehind = this.waiting.length >= maxWaiting || this.audioMs - this.judgedMs > maxUnjudgedMs;
    if (isBehind !== this.isRead) return;
    this.isRead = !isBehind;
    this.options.read(this.isRead);
  }

  private forget(audio: LiveAudio): void {
    const beforeMs = this.keptFromMs();
    if (beforeMs <= this.forgottenMs) return;
    this.forgottenMs = beforeMs;
    audio.forget(beforeMs);
    this.options.share.hold(this.audioMs - beforeMs);
  }

  private startPass(): void {
    const [next] = this.waiting;
    if (next) {
      void this.run(next.utterance, async (decoding) => {
        await this.finish(next, decoding);
        this.waiting.shift();
      });
      return;
    }
    const utterance = this.growing();
    if (!utterance) return;
    const toMs = this.judgedMs;
    void this.run(utterance, async (decoding) => {
      const text = await utterance
        .refine(toMs, { ...decoding, options: quick(decoding.options) })
        .catch(() => "");
      // a turn that was cleared meanwhile has nothing to say
      const isWanted = this.open === utterance || this.waiting[0]?.utterance === utterance;
      if (text !== "" && isWanted) this.tell(events.delta(utterance.itemId, text, null));
    });
  }

  /** The open turn, if it is time to hear what it has so far. */
  private growing(): Utterance | null {
    const delay = this.config.transcription?.delay;
    if (!delay || !this.audio) return null;
    if (!this.detector) this.open ??= this.begin(this.doneMs);
    const utterance = this.open;
    // a pass that takes long makes the next one wait as long: others need the machine too
    const everyMs = Math.max(refineEveryMs[delay], this.lastPassMs);
    if (!utterance || this.judgedMs - utterance.refinedMs < everyMs) return null;
    return this.speechMs > utterance.refinedMs ? utterance : null;
  }

  private async run(utterance: Utterance, act: (decoding: Decoding) => Promise<void>): Promise<void> {
    const { clock } = this.options;
    const { audio } = this;
    if (!audio) return;
    const abort = new AbortController();
    this.pass = { utterance, abort };
    const startedMs = clock.now();
    const signal = AbortSignal.any([this.ended.signal, abort.signal]);
    const model = this.config.transcription?.model ?? this.options.spoken.model;
    const decoding: Decoding = {
      allowance: this.options.allowance,
      audio: {
        transcribe: async (request) => {
          using use = await this.options.use(model, signal);
          return await audio.transcribe({ ...request, engine: use.engine });
        },
      },
      options: decodingOptions(this.config, this.options.spoken),
      signal,
      requestId: this.options.requestId,
    };
    await span("pass", { "whisper.session_id": this.id }, () => act(decoding));
    this.lastPassMs = clock.now() - startedMs;
    this.pass = null;
    this.advance();
  }

  private async finish({ utterance, endMs, endedAt, isManual }: Committed, decoding: Decoding) {
    const { clock, metrics } = this.options;
    const { itemId, startMs } = utterance;
    const { include, transcription } = this.config;
    // silence that a client commits must not become words
    const vad = isManual && this.options.engine.detector === "silero";
    try {
      const { rest, segments, fromMs } = await utterance.finish(endMs, {
        ...decoding,
        options: { ...decoding.options, vad },
      });
      if (this.ended.signal.aborted) return;
      const tokens = segments.flatMap((segment) => segment.tokens);
      const logprobs = include?.includes(logprobsKey) ? logprobsOf(tokens) : null;
      if (rest !== "") this.tell(events.delta(itemId, rest, logprobs));
      if (transcription?.model.endsWith("-diarize")) {
        for (const segment of segments) this.tell(events.speakerSegment(itemId, segment, fromMs - startMs));
      }
      this.tell(events.completed(itemId, utterance.text, endMs - startMs, logprobs));
      metrics.turns.inc({ outcome: "completed" });
      metrics.turnSeconds.observe((clock.now() - endedAt) / 1000);
    } catch (error) {
      if (this.ended.signal.aborted) return;
      metrics.turns.inc({ outcome: "failed" });
      this.tell(events.failed(itemId, this.shown(error)));
    }
  }

  /** What lies before nobody needs any more. */
  private keptFromMs(): number {
    const idleFrom = this.detector ? Math.max(this.doneMs, this.judgedMs - keptSilenceMs) : this.doneMs;
    const needed = [...this.waiting.map(({ utterance }) => utterance), ...(this.open ? [this.open] : [])];
    const running = this.pass ? [this.pass.utterance] : [];
    if (needed.length + running.length === 0) return idleFrom;
    return Math.min(...[...needed, ...running].map(({ neededMs }) => neededMs));
  }

  private newDetector(): TurnDetector | null {
    const { turn_detection: turns } = this.config;
    return turns && new TurnDetector(turnSettings(turns), this.doneMs);
  }

  private expire(): void {
    this.end(
      closeCodes.expired,
      new AppError("session_expired", "The session has reached its longest duration: connect again"),
    );
  }

  private tellSession(verb: "created" | "updated"): void {
    const { detector } = this.options.engine;
    const identity = { id: this.id, expiresAt: this.expiresAt, detector };
    this.tell(events.sessionEvent(verb, this.dialect, this.config, identity));
  }

  private tellError(error: unknown, eventId: string | null): void {
    const shown = this.shown(error);
    // what cannot be kept or heard cannot be transcribed: going on would give a text with a hole
    if (shown.code === "audio_too_long") this.end(closeCodes.overload, shown);
    else if (shown.code === "internal_error") this.end(closeCodes.failure, shown);
    else this.tell(events.errorEvent(shown, eventId));
  }

  private shown(error: unknown): AppError {
    if (error instanceof AppError && error.code !== "internal_error") return error;
    const { log, requestId } = this.options;
    log.error("session failed", { requestId, session: this.id, error });
    return new AppError("internal_error", "The server had an error while processing your audio");
  }

  private tell(event: events.ServerEvent): void {
    if (this.ended.signal.aborted) return;
    const { type, ...rest } = event;
    this.options.send({ type, event_id: events.newId("event"), ...rest });
  }
}
