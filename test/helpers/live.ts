/** A session without a socket: what it sends is a list, and time stands still until a test moves it. */
import type { Clock } from "../../src/core/clock.ts";
import { AppError } from "../../src/core/errors.ts";
import type { AudioAllowance } from "../../src/core/limits.ts";
import { defaultConfig, type SessionConfig } from "../../src/live/config.ts";
import type { Dialect } from "../../src/live/events.ts";
import { defaultLimits, type Limits } from "../../src/live/limits.ts";
import { Session } from "../../src/live/session.ts";
import { SharedAudio } from "../../src/live/shared-audio.ts";
import { Metrics } from "../../src/metrics.ts";
import { FakeEngine, type FakeLive } from "./engine.ts";

export interface Sent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks for, it names
  readonly [key: string]: any;
}

export class FakeClock implements Clock {
  private nowMs = 1_700_000_000_000;
  private readonly timers = new Map<() => void, number>();

  now = () => this.nowMs;

  after(ms: number, act: () => void): () => void {
    this.timers.set(act, this.nowMs + ms);
    return () => this.timers.delete(act);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    for (const [act, atMs] of [...this.timers]) {
      if (atMs > this.nowMs) continue;
      this.timers.delete(act);
      act();
    }
  }

  get pending(): number {
    return this.timers.size;
  }
}

export class TestSession {
  readonly engine = new FakeEngine();
  /** What was charged, refunds as negative numbers; once `left` is set there is no more than that. */
  readonly charged: number[] = [];
  left = Number.POSITIVE_INFINITY;
  private readonly allowance: AudioAllowance = {
    admit: async (ms) => {
      if (ms > this.left) throw new AppError("rate_limit_exceeded", "Rate limit reached for audio");
      this.left -= ms;
      this.charged.push(ms);
    },
    refund: (ms) => {
      this.left += ms;
      this.charged.push(-ms);
    },
  };
  readonly clock = new FakeClock();
  readonly sent: Sent[] = [];
  readonly closed: { code: number; reason: string }[] = [];
  readonly reading: boolean[] = [];
  readonly errors: unknown[] = [];
  /** The models of the passes. */
  readonly used: string[] = [];
  readonly metrics = new Metrics();
  readonly session: Session;

  constructor(
    config: Partial<SessionConfig> = {},
    limits: Partial<Limits> = {},
    dialect: Dialect = "ga",
    shared = new SharedAudio(),
  ) {
    const drop = () => {};
    this.session = new Session({
      engine: this.engine,
      spoken: {
        model: "test-model",
        languagesOf: (name) =>
          /^(test-model|whisper-1|gpt-4o-transcribe-diarize)$/.test(name) ? ["en", "de"] : null,
      },
      use: async (name) => {
        this.used.push(name);
        return { engine: this.engine, [Symbol.dispose]() {} };
      },
      log: { debug: drop, info: drop, warn: drop, error: (_, fields) => this.errors.push(fields?.error) },
      clock: this.clock,
      metrics: this.metrics,
      requestId: "req_1",
      allowance: this.allowance,
      share: shared.share(),
      limits: { ...defaultLimits, lifetimeMs: 60_000, ...limits },
      config: {
        ...defaultConfig,
        transcription: { model: "whisper-1", language: null, prompt: null },
        ...config,
      },
      dialect,
      send: (event) => this.sent.push(event as Sent),
      close: (code, reason) => this.closed.push({ code, reason }),
      read: (wanted) => this.reading.push(wanted),
    });
  }

  /** The one that was listened to last. */
  get live(): FakeLive {
    const live = this.engine.lives.at(-1);
    if (!live) throw new Error("Nothing was appended yet");
    return live;
  }

  send(type: string, fields: object = {}): void {
    this.session.receive(JSON.stringify({ type, ...fields }));
  }

  /** Silence of 24 kHz; nobody looks at it. */
  append(ms: number, bytesPerMs = 48): void {
    const audio = Buffer.alloc(ms * bytesPerMs).toString("base64");
    this.send("input_audio_buffer.append", { audio });
  }

  /** Appends frames of 32 ms and judges them. */
  hear(count: number, probability: number): void {
    this.append(count * 32);
    this.live.judge(...Array<number>(count).fill(probability));
  }

  /** Resolves when all that can be done is done. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 500; turn += 1) await Promise.resolve();
  }

  /** The types sent since the last call, without what they have in common. */
  types(): string[] {
    return this.take().map(({ type }) =>
      type.replace(/^conversation\.item\.input_audio_transcription\./, ""),
    );
  }

  take(): Sent[] {
    return this.sent.splice(0);
  }

  /** What was wrong with the last event. */
  error(): Partial<AppError> & { event_id?: string } {
    const event = this.take().at(-1);
    if (event?.type !== "error") throw new Error(`Expected an error but received ${event?.type}`);
    return event.error;
  }
}
