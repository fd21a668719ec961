/**
 * A live session: OpenAI's realtime transcription over whatever carries its events. Client events go in as texts, server events
 * come out as objects; audio goes to the engine, which judges and transcribes it.
 */
import { AppError } from "../core/errors.ts";
import type { Engine, LiveAudio } from "../engine/engine.ts";
import type { Logger } from "../log.ts";
import { type ClientEvent, parse, readAudio } from "./client-events.ts";
import { rateOf, type SessionConfig } from "./config.ts";
import * as events from "./events.ts";
import { TokenBucket } from "./flow.ts";
import { decodeG711 } from "./g711.ts";
import { InputBuffer } from "./input-buffer.ts";
import { closeCodes, type Limits } from "./limits.ts";
import { Passes, type PassResources } from "./passes.ts";
import { update, updateBeta } from "./session-object.ts";
import type { AudioShare } from "./shared-audio.ts";
import type { TurnEvent } from "./turns.ts";
import type { Utterance } from "./utterance.ts";

export interface SessionOptions extends PassResources {
  /** It listens. */
  readonly engine: Pick<Engine, "listen" | "detector">;
  readonly log: Logger;
  readonly limits: Limits;
  /** Of the audio that all sessions keep. */
  readonly share: AudioShare;
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
/** Sent, but not yet judged: more is not read. */
const maxUnjudgedMs = 60_000;

export class Session {
  readonly id = events.newId("sess");
  private config: SessionConfig;
  private dialect: events.Dialect;
  private readonly expiresAt: number;
  private readonly bucket: TokenBucket;
  private readonly cancelExpiry: () => void;
  /** Fires when the session ends. */
  private readonly ended = new AbortController();
  private readonly input: InputBuffer;
  private readonly passes: Passes;
  private lastItemId: string | null = null;
  private isRead = true;
  /** Committed so far. */
  turns = 0;

  constructor(private readonly options: SessionOptions) {
    const { clock, limits, config, dialect, share } = options;
    this.config = config;
    this.dialect = dialect;
    this.bucket = new TokenBucket(limits.maxEvents, limits.eventsPerSecond, clock.now);
    this.expiresAt = Math.floor((clock.now() + limits.lifetimeMs) / 1000);
    this.cancelExpiry = clock.after(limits.lifetimeMs, () => this.expire());
    this.input = new InputBuffer((rate) => this.listen(rate), share, config.turn_detection);
    this.passes = new Passes(options, this.input, {
      id: this.id,
      ended: this.ended.signal,
      tell: (event) => this.tell(event),
      shown: (error) => this.shown(error),
      advance: () => this.advance(),
    });
    this.tellSession("created");
  }

  /** What was appended so far. */
  get audioMs(): number {
    return this.input.appendedMs;
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
    this.input.close();
    this.passes.clear();
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
    if (
      this.input.audio &&
      (config.format.type !== format.type || rateOf(config.format) !== rateOf(format))
    ) {
      const param = dialect === "beta" ? "session.input_audio_format" : "session.audio.input.format";
      throw new AppError("invalid_value", `Expected no change of ${param} after audio was appended`, {
        param,
      });
    }
    this.config = config;
    this.dialect = dialect;
    if (JSON.stringify(turns) !== JSON.stringify(config.turn_detection)) {
      this.passes.abort(this.input.open);
      this.input.detect(config.turn_detection);
    }
    this.tellSession("updated");
  }

  private listen(rate: number): LiveAudio {
    const { engine, limits } = this.options;
    return engine.listen({
      rate,
      maxBufferedMs: limits.maxBufferedMs,
      onFrames: (probabilities, endMs) => this.judge(probabilities, endMs),
    });
  }

  private append(encoded: unknown): void {
    const bytes = readAudio(encoded);
    const { format } = this.config;
    const samples = format.type === "audio/pcm" ? bytes : decodeG711(bytes, format.type);
    this.input.append(samples, rateOf(format));
    this.advance();
    if (!this.input.hold()) {
      throw new AppError("audio_too_long", "Too much audio of all sessions waits to be transcribed");
    }
  }

  private commit(): void {
    this.committed(this.input.commit(this.passes.utterances), this.input.appendedMs, true);
    this.advance();
  }

  private clear(): void {
    this.passes.abort(this.input.open);
    this.input.clear();
    this.tell(events.cleared);
    this.advance();
  }

  private judge(probabilities: Float32Array, endMs: number): void {
    if (this.ended.signal.aborted) return;
    for (const event of this.input.judge(probabilities, endMs)) this.turn(event);
    this.advance();
  }

  private turn(event: TurnEvent): void {
    if (event.type === "started") {
      const { itemId } = this.input.begin(event.startMs);
      this.tell(events.speechStarted(itemId, event.startMs));
      return;
    }
    const turn = this.input.end(event.endMs);
    if (!turn) return;
    this.tell(events.speechStopped(turn.itemId, event.endMs));
    this.committed(turn, event.endMs, false);
  }

  private committed(turn: Utterance, endMs: number, isManual: boolean): void {
    const { itemId } = turn;
    for (const event of events.committed(this.dialect, itemId, this.lastItemId)) this.tell(event);
    this.lastItemId = itemId;
    this.turns += 1;
    if (this.config.transcription) this.passes.enqueue(turn, endMs, isManual);
  }

  /** Does what can be done next: a pass, freeing what nobody needs, reading on. Called whenever something has changed. */
  private advance(): void {
    const { audio } = this.input;
    if (this.ended.signal.aborted || !audio) return;
    this.passes.next(audio, this.config);
    this.input.forget(this.passes.utterances);
    const isBehind =
      this.passes.waiting >= this.options.limits.maxWaiting ||
      this.input.appendedMs - this.input.judgedMs > maxUnjudgedMs;
    if (isBehind !== this.isRead) return;
    this.isRead = !isBehind;
    this.options.read(this.isRead);
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
