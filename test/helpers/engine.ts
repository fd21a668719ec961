/** An engine without weights: says what it is told to, when it is told to. */
import { AppError } from "../../src/core/errors.ts";
import type { Segment, TranscriptEvent } from "../../src/core/transcript.ts";
import type { Engine, EngineRequest, EngineStatus, ModelInfo } from "../../src/engine/engine.ts";

export const testModel: ModelInfo = {
  id: "test-model",
  multilingual: true,
  languages: ["en", "de", "fr", "zh"],
  precision: "f16",
  bytes: 1000,
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

  async transcribe(request: EngineRequest): Promise<AsyncIterable<TranscriptEvent>> {
    const audio = await Bun.file(request.path).bytes();
    this.requests.push({ ...request, audio });
    request.signal.addEventListener("abort", () => this.cancelled.resolve());
    this.arrived.resolve();
    await Promise.race([aborted(request.signal), this.admission]);
    if (this.refusal) throw this.refusal;
    return this.run(request);
  }

  private async *run(request: EngineRequest): AsyncGenerator<TranscriptEvent> {
    const durationMs = this.segments.length * 1000;
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

  async close(): Promise<void> {}
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const cancel = () => reject(new AppError("request_cancelled", "The request was cancelled"));
    if (signal.aborted) cancel();
    else signal.addEventListener("abort", cancel, { once: true });
  });
}
