/**
 * The domain: what a run says, as plain values. Times are integer milliseconds in the original recording's
 * timeline; OpenAI's float seconds exist in core/formats.ts only. Knows nothing of the engine or of HTTP.
 */

/** One decoded token. Timestamp tokens are among them: their `bytes` are empty. */
export interface Token {
  readonly id: number;
  /** UTF-8 of the token alone; may be a part of a character. */
  readonly bytes: Uint8Array;
  /** 0..1 */
  readonly probability: number;
  /** Natural logarithm of `probability`, finite. */
  readonly logprob: number;
  /** null unless word times were asked for. */
  readonly startMs: number | null;
  readonly endMs: number | null;
}

/** One written word with its punctuation, no surrounding space. Words lie inside their segment, in order. */
export interface Word {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Mean probability of its tokens, 0..1. */
  readonly probability: number;
}

export interface Segment {
  /** 0, 1, 2, ... in the order of the events. */
  readonly id: number;
  /** Start of the 30-second window that it was decoded from, in frames of 10 ms. */
  readonly seek: number;
  readonly startMs: number;
  readonly endMs: number;
  /** As decoded: usually starts with a space. */
  readonly text: string;
  readonly tokens: readonly Token[];
  /** Empty unless word times were asked for. */
  readonly words: readonly Word[];
  /** The five below are the window's, as in OpenAI's reference: equal for its segments. Always finite. */
  readonly avgLogprob: number;
  readonly noSpeechProb: number;
  readonly compressionRatio: number;
  readonly temperature: number;
  /** A speaker change follows this segment (tinydiarize models only). */
  readonly speakerTurn: boolean;
  /** Channel of the recording that it was heard on; 0 unless channels are kept apart. */
  readonly channel: number;
}

/**
 * What a run says, in order: one `start`, any number of `segment` and `progress`, one `done`. A failure throws. Each
 * window's segments come after its attempts and their tokens, which say nothing that segments do not; there are none where several
 * channels are transcribed apart.
 */
export type TranscriptEvent =
  /** durationMs: of the recording. channels: how many are transcribed apart (1 unless asked for). */
  | { readonly type: "start"; readonly durationMs: number; readonly channels: number }
  /** The decoding of a window begins, 0 being the first time; what was accepted of it before does not count. */
  | { readonly type: "attempt"; readonly number: number; readonly temperature: number }
  /** Accepted by the attempt. windowMs: of a timestamp, from its window's start; null for text. */
  | { readonly type: "token"; readonly token: Token; readonly windowMs: number | null }
  | { readonly type: "segment"; readonly segment: Segment }
  | { readonly type: "progress"; readonly doneMs: number; readonly totalMs: number }
  /** language: ISO 639-1 code of what was spoken, given or detected. */
  | { readonly type: "done"; readonly language: string };

export interface Transcript {
  readonly durationMs: number;
  readonly channels: number;
  readonly language: string;
  readonly segments: readonly Segment[];
  /** The segments' texts joined and trimmed. */
  readonly text: string;
}

/** The written text of segments: joined as decoded, trimmed at the ends. */
export function textOf(segments: readonly Segment[]): string {
  return segments
    .map((segment) => segment.text)
    .join("")
    .trim();
}

/** Reads a run to its end. Throws what the run throws. */
export async function collect(events: AsyncIterable<TranscriptEvent>): Promise<Transcript> {
  const all: TranscriptEvent[] = [];
  // Array.fromAsync takes twice as long
  for await (const event of events) all.push(event);
  return transcriptOf(all);
}

/** What all events of a run say together. */
export function transcriptOf(events: readonly TranscriptEvent[]): Transcript {
  let durationMs = 0;
  let channels = 1;
  let language = "";
  const segments: Segment[] = [];
  for (const event of events) {
    if (event.type === "start") ({ durationMs, channels } = event);
    else if (event.type === "segment") segments.push(event.segment);
    else if (event.type === "done") language = event.language;
  }
  return { durationMs, channels, language, segments, text: textOf(segments) };
}
