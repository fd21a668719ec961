/** The server's JSON as the page reads it, and the transcript that it says. */
import { parseLanguage } from "../../../core/languages.ts";
import type { TaskStatus } from "../../../core/task.ts";
import { type Segment, type Transcript, textOf } from "../../../core/transcript.ts";

export interface WireWord {
  readonly word: string;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
  /** 0..1; not in every answer. */
  readonly probability?: number;
}

/** A segment of verbose_json, in a stream or in a page of a task. */
export interface WireSegment {
  readonly id: number;
  readonly seek: number;
  /** Seconds. */
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly tokens: readonly number[];
  readonly temperature: number;
  readonly avg_logprob: number;
  readonly compression_ratio: number;
  readonly no_speech_prob: number;
  readonly words?: readonly WireWord[];
}

export interface WireError {
  readonly message: string;
  readonly code?: string | null;
}

/** Payloads of a stream with response_format=verbose_json. What the page does not know it ignores. */
export type StreamEvent =
  | { readonly type: "transcript.text.delta"; readonly delta: string }
  | ({ readonly type: "transcript.text.segment" } & WireSegment)
  | {
      readonly type: "transcript.progress";
      readonly progress: number;
      readonly done: number;
      readonly total: number;
    }
  | {
      readonly type: "transcript.text.done";
      readonly text: string;
      readonly language?: string;
      readonly duration?: number;
    }
  | { readonly type: "task.status"; readonly status: TaskStatus; readonly error: WireError | null }
  | { readonly type?: undefined; readonly error: WireError };

const ms = (seconds: number) => Math.round(seconds * 1000);

/** A word without a probability of its own has that of its window. The tokens are ids alone: no text is in them. */
export function segmentOf(wire: WireSegment): Segment {
  const mean = Math.exp(wire.avg_logprob);
  return {
    id: wire.id,
    seek: wire.seek,
    startMs: ms(wire.start),
    endMs: ms(wire.end),
    text: wire.text,
    tokens: wire.tokens.map((id) => ({
      id,
      bytes: new Uint8Array(),
      probability: mean,
      logprob: wire.avg_logprob,
      startMs: null,
      endMs: null,
    })),
    words: (wire.words ?? []).map((word) => ({
      text: word.word,
      startMs: ms(word.start),
      endMs: ms(word.end),
      probability: word.probability ?? mean,
    })),
    avgLogprob: wire.avg_logprob,
    noSpeechProb: wire.no_speech_prob,
    compressionRatio: wire.compression_ratio,
    temperature: wire.temperature,
    speakerTurn: false,
    channel: 0,
  };
}

/** What somebody said between two times, of which nothing else is known. */
export const spokenSegment = (id: number, startMs: number, endMs: number, text: string): Segment => ({
  ...{ id, startMs, endMs, text, seek: Math.round(startMs / 10), tokens: [], words: [] },
  ...{ avgLogprob: 0, noSpeechProb: 0, compressionRatio: 1, temperature: 0, speakerTurn: false, channel: 0 },
});

/** `language`: an English name, as the server writes it, or a code. */
export function transcriptOf(segments: readonly Segment[], durationMs: number, language: string): Transcript {
  const code = parseLanguage(language) ?? language;
  return { durationMs, channels: 1, language: code, segments, text: textOf(segments) };
}
