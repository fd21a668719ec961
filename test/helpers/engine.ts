/** An engine without weights: says what it is told to, when it is told to. */
import { AppError } from "../../src/core/errors.ts";
import type { Segment, TranscriptEvent } from "../../src/core/transcript.ts";
import type {
  Engine,
  EngineRequest,
  EngineStatus,
  ListenOptions,
  LiveAudio,
  LiveRequest,
  ModelInfo,
} from "../../src/engine/engine.ts";

export const testModel: ModelInfo = {
  id: "test-model",
  multilingual: true,
  languages: ["en", "de", "fr", "zh"],
  precision: "f16",
  bytes: 1000,
  digest: Promise.resolve("d1".repeat(32)),
  slots: 4,
  createdSeconds: 1_700_000_000,
  warning: null,
};

/** A segment of one second, `id` seconds into the recording. */
export function testSegment(id: number, text: string, more: Partial<Segment> = {}): Segment {
  return {
    id,
    seek: 0,
    startMs: id * 1000,
    endMs: (id + 1) * 1000,
    text,
    tokens: [
      {
        id: 50,
        bytes: new TextEncoder().encode(text),
        probability: 1,
        logprob: 0,
        startMs: null,
        endMs: null,
      },
    ],
    words: [],
    avgLogprob: -0.25,
    noSpeechProb: 0.01,
    compressionRatio: 1,
    temperature: 0,
    speakerTurn: false,
    channel: 0,
    ...more,
  };
}

const helloWorld = [testSegment(0, " Hello"), testSegment(1, " world.")];

export class FakeEngine implements Engine {
  /** Requests in the order of their arrival, with the bytes of their files. */
  readonly requests: (EngineRequest & { readonly audio: Uint8Array })[] = [];
  readonly load: EngineStatus;
  /** Rejects admission with this. */
  refusal: AppError | Error | null = null;
  /** Awaited before admission; before each event. */
  admission: Promise<unknown> = Promise.resolve();
  beforeEvent: (index: number) => Promise<unknown> = () => Promise.resolve();
  /** Thrown by the run after its first segment. */
  failure: AppError | Error | null = null;
  /** Resolves when a request has arrived; when a signal has fired. */
  readonly arrived = Promise.withResolvers<void>();
  readonly cancelled = Promise.withResolvers<void>();

  readonly detector: Engine["detector"] = "silero";
  /** What was listened to, and the passes over it, in order. */
  readonly lives: FakeLive[] = [];
  readonly passes: LiveRequest[] = [];
  /** Called with the passes to come, one each. */
  readonly passed: ((request: LiveRequest) => void)[] = [];
  /** The segments' texts of a pass. */
  says: (request: LiveRequest) => readonly string[] = () => [" Hello", " world."];
  /** Awaited before a pass says anything. */
  beforeSaid: () => Promise<unknown> = () => Promise.resolve();

  constructor(
    readonly model: ModelInfo = testModel,
    private readonly segments: readonly Segment[] = helloWorld,
    load: Partial<EngineStatus> = {},
  ) {
    this.load = { running: 0, queued: 0, maxRunning: 1, maxQueued: 2, ...load };
  }

  status(): EngineStatus {
    return this.load;
  }

  counters() {
    return { windows: 5, encodingUs: 2_500_000, steps: 40, rows: 80, decodingUs: 1_500_000, slotsInUse: 2 };
  }

  async transcribe(request: EngineRequest): Promise<AsyncIterable<TranscriptEvent>> {
    const audio = await Bun.file(request.path).bytes();
    this.requests.push({ ...request, audio });
    request.signal.addEventListener("abort", () => this.cancelled.resolve());
    this.arrived.resolve();
    await Promise.race([aborted(request.signal), this.admission]);
    if (this.refusal) throw this.refusal;
    const durationMs = this.segments.length * 1000;
    await request.admit?.(durationMs);
    return refunding(request, durationMs, this.run(request, durationMs));
  }

  private async *run(request: EngineRequest, durationMs: number): AsyncGenerator<TranscriptEvent> {
    const events: TranscriptEvent[] = [
      { type: "start", durationMs, channels: 1 },
      ...this.segments.map((segment) => ({ type: "segment" as const, segment })),
      { type: "progress", doneMs: durationMs, totalMs: durationMs },
      { type: "done", language: request.options.language === "auto" ? "en" : request.options.language },
    ];
    for (const [index, event] of events.entries()) {
      if (this.failure && index === 2) throw this.failure;
      await Promise.race([aborted(request.signal), this.beforeEvent(index)]);
      yield event;
    }
  }

  listen(options: ListenOptions): FakeLive {
    const live = new FakeLive(this, options);
    this.lives.push(live);
    return live;
  }

  async close(): Promise<void> {}
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const cancel = () => reject(new AppError("request_cancelled", "The request was cancelled"));
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
  });
}

/** Live audio that is judged when a test says so; its turns say what `engine.says` makes of their times. */
export class FakeLive implements LiveAudio {
  appendedBytes = 0;
  forgottenMs = 0;
  closed = false;

  constructor(
    private readonly engine: FakeEngine,
    readonly options: ListenOptions,
  ) {}

  get appendedMs(): number {
    return Math.floor(this.appendedBytes / 2 / (this.options.rate / 1000));
  }

  append(bytes: Uint8Array): void {
    this.appendedBytes += bytes.length;
    if (this.appendedMs - this.forgottenMs > this.options.maxBufferedMs) {
      throw new AppError("audio_too_long", "Too much audio waits to be transcribed");
    }
  }

  /** Tells of the next frames. */
  judge(...probabilities: number[]): void {
    this.judgedMs += 32 * probabilities.length;
    this.options.onFrames(Float32Array.from(probabilities), this.judgedMs);
  }
  judgedMs = 0;

  async transcribe(request: LiveRequest): Promise<AsyncIterable<TranscriptEvent>> {
    this.engine.passes.push(request);
    this.engine.passed.shift()?.(request);
    const cancelled = aborted(request.signal);
    cancelled.catch(() => this.engine.cancelled.resolve());
    await Promise.race([cancelled, this.engine.admission]);
    if (this.engine.refusal) throw this.engine.refusal;
    const durationMs = request.toMs - request.fromMs;
    await request.admit?.(durationMs);
    return refunding(request, durationMs, this.said(request, durationMs, cancelled));
  }

  private async *said(
    request: LiveRequest,
    durationMs: number,
    cancelled: Promise<never>,
  ): AsyncGenerator<TranscriptEvent> {
    yield { type: "start", durationMs, channels: 1 };
    await Promise.race([cancelled, this.engine.beforeSaid()]);
    for (const [index, text] of this.engine.says(request).entries())
      yield { type: "segment", segment: testSegment(index, text) };
    yield { type: "done", language: "en" };
  }

  forget(beforeMs: number): void {
    this.forgottenMs = Math.max(this.forgottenMs, beforeMs);
  }

  close(): void {
    this.closed = true;
  }
}

/** The same events; gives back what was charged when they fail before the first segment. */
async function* refunding(
  request: Pick<EngineRequest, "refund">,
  durationMs: number,
  events: AsyncIterable<TranscriptEvent>,
): AsyncGenerator<TranscriptEvent> {
  let hasSaid = false;
  let hasEnded = false;
  try {
    for await (const event of events) {
      hasSaid ||= event.type === "segment";
      hasEnded = event.type === "done";
      yield event;
    }
  } finally {
    if (!hasSaid && !hasEnded) request.refund?.(durationMs);
  }
}
