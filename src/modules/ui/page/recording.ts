/** One recording and what is known of its text: what the page shows, whoever fills it (an upload, a task, a microphone). */
import { batch, computed, signal } from "@preact/signals";
import { type Segment, type Transcript, textOf } from "../../../core/transcript.ts";
import { Refusal, sentenceOf } from "./api.ts";
import type { Options } from "./settings.ts";
import { type StreamEvent, segmentOf, transcriptOf } from "./wire.ts";

export type Phase = "waiting" | "uploading" | "working" | "listening" | "done" | "failed" | "cancelled";

const unfinished: readonly Phase[] = ["waiting", "uploading", "working", "listening"];

let recordings = 0;

export class Recording {
  readonly id = ++recordings;
  /** What is heard; null: the page does not have it (a task of an earlier visit). */
  readonly audio = signal<Blob | null>(null);
  readonly phase = signal<Phase>("waiting");
  /** 0..1 of the file. */
  readonly sent = signal(0);
  /** 0..1 of the audio. */
  readonly heard = signal(0);
  readonly durationMs = signal(0);
  readonly language = signal("");
  readonly segments = signal<readonly Segment[]>([]);
  /** Text behind the last segment, which is still being decoded. */
  readonly running = signal("");
  readonly error = signal<Refusal | null>(null);
  /** Of the server, once it is one. */
  readonly taskId = signal<string | null>(null);
  /** performance.now() when the server had it all, and when it was done. */
  startedAt = 0;
  endedAt = 0;
  readonly isUnfinished = computed(() => unfinished.includes(this.phase.value));
  readonly text = computed(() => textOf(this.segments.value));
  /** All deltas. Segments follow their text, so that what is beyond theirs is running. */
  private deltas = "";
  /** Ends what fills it. */
  abort = new AbortController();

  constructor(
    readonly name: string,
    readonly options: Options,
    audio: Blob | null = null,
  ) {
    this.audio.value = audio;
  }

  get transcript(): Transcript {
    return transcriptOf(this.segments.value, this.durationMs.value, this.language.value);
  }

  /** As it was before anything was known of its text. */
  reset(): void {
    batch(() => {
      this.phase.value = "waiting";
      this.sent.value = 0;
      this.heard.value = 0;
      this.segments.value = [];
      this.running.value = "";
      this.error.value = null;
      this.taskId.value = null;
    });
    this.deltas = "";
    this.abort = new AbortController();
  }

  progress(sent: number): void {
    if (this.phase.value === "waiting") this.phase.value = "uploading";
    this.sent.value = sent;
    if (sent >= 1) this.work();
  }

  /** The server has it all. */
  work(): void {
    if (this.phase.value === "working") return;
    this.phase.value = "working";
    this.startedAt = performance.now();
  }

  /** Throws Refusal for an event that tells of a failure. */
  take(event: StreamEvent): void {
    if ("error" in event && event.error) throw new Refusal(event.error.message, 0, event.error.code ?? null);
    batch(() => {
      switch (event.type) {
        case "transcript.text.delta":
          this.work();
          this.deltas += event.delta;
          this.running.value = this.deltas.slice(this.text.value.length);
          break;
        case "transcript.text.segment":
          this.segments.value = [...this.segments.value, segmentOf(event)];
          this.running.value = this.deltas.slice(this.text.value.length);
          break;
        case "task.status":
          if (event.status === "running") this.work();
          break;
        case "transcript.progress":
          this.work();
          this.heard.value = event.progress;
          this.durationMs.value = Math.round(event.total * 1000);
          break;
        case "transcript.text.done":
          this.language.value = event.language ?? "";
          this.durationMs.value = Math.round((event.duration ?? 0) * 1000) || this.durationMs.value;
          this.end("done");
          break;
      }
    });
  }

  /** Stops what fills it; what is known stays. */
  cancel(): void {
    if (!this.isUnfinished.value) return;
    this.end("cancelled");
    this.abort.abort();
  }

  fail(error: unknown): void {
    if (!this.isUnfinished.value) return;
    this.error.value = error instanceof Refusal ? error : new Refusal(sentenceOf(error));
    this.end("failed");
  }

  end(phase: "done" | "failed" | "cancelled"): void {
    this.endedAt = performance.now();
    this.running.value = "";
    this.phase.value = phase;
  }
}
