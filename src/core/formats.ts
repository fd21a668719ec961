/**
 * The views of a transcript that OpenAI's API has: bodies and stream events. The only place where its float seconds are
 * made. Every number that leaves here is finite: clients validate them (the AI SDK rejects a null avg_logprob).
 */
import type { CueShape } from "./cues.ts";
import { languageName } from "./languages.ts";
import type { Options } from "./options.ts";
import { type Piece, RunningText, type RunningTextOptions } from "./running-text.ts";
import { subtitleWriter } from "./subtitles.ts";
import { type Segment, type Token, type Transcript, type TranscriptEvent, textOf } from "./transcript.ts";

export const responseFormats = ["json", "text", "srt", "verbose_json", "vtt", "diarized_json"] as const;
export type ResponseFormat = (typeof responseFormats)[number];

/** What a caller wants to see of a transcript. */
export interface View {
  readonly responseFormat: ResponseFormat;
  readonly task: Options["task"];
  /** The timestamp granularities of verbose_json. */
  readonly words: boolean;
  readonly segments: boolean;
  /** Log-probabilities of the text tokens; json only. */
  readonly logprobs: boolean;
  /** Names of diarized_json's speakers by channel; those without one are "A", "B", ... */
  readonly speakerNames: readonly string[];
  /** Whether diarized_json's speakers on a single channel are two who take turns. */
  readonly speakerTurns: boolean;
  /** How srt and vtt divide the text; null: a segment is a cue, as at OpenAI. */
  readonly cues: CueShape | null;
}

export interface Rendered {
  readonly contentType: string;
  readonly body: string;
}

/** The payloads of a streamed view: the objects of the `data:` lines, without `[DONE]`. */
export interface StreamView {
  /** Fed once with each event, in order. */
  event(event: TranscriptEvent): object[];
  done(transcript: Transcript): object[];
  /** Whether what was shown is not the text: an attempt at a window failed after some of it was shown. */
  readonly isCorrected: boolean;
}

/** The whole body of a response. Channels that were transcribed apart are sorted into one conversation. */
export function render(transcript: Transcript, view: View): Rendered {
  const segments = inOrder(transcript);
  switch (view.responseFormat) {
    case "text":
      return plain(`${textOf(segments)}\n`);
    case "srt":
    case "vtt": {
      const writer = subtitleWriter(view.responseFormat, view.cues);
      return plain(segments.map((segment) => writer.write(segment)).join("") + writer.end());
    }
    case "json":
      return json({
        text: textOf(segments),
        ...logprobs(tokensOf(segments), view),
        ...usage(transcript, view),
      });
    case "verbose_json":
      return json({
        ...summary(transcript, view),
        text: textOf(segments),
        ...(view.segments ? { segments: segments.map(verboseSegment) } : {}),
        ...(view.words ? { words: segments.flatMap(spokenWords) } : {}),
        ...usage(transcript, view),
      });
    case "diarized_json":
      return json({
        ...summary(transcript, view),
        text: textOf(segments),
        segments: segments.map(speakerSegments(transcript.channels, view)),
        ...usage(transcript, view),
      });
  }
}

/**
 * The same view while it is made. The deltas alone add up to the `text` of the last object (clients exist that read nothing
 * else): the plain text, or the whole subtitle file. diarized_json has segments instead of deltas, as at OpenAI.
 */
export function streamView(view: View, options: RunningTextOptions): StreamView {
  const format = view.responseFormat;
  const subtitles = format === "srt" || format === "vtt" ? subtitleWriter(format, view.cues) : null;
  // The others show a segment when it is complete.
  const showsTokens = !subtitles && format !== "diarized_json";
  const running = new RunningText(options);
  let spoken = speakerSegments(1, view);
  let file = "";
  let count = 0;

  const delta = (text: string, tokens: readonly Token[] = []): object[] => {
    if (text === "" || format === "diarized_json") return [];
    return [{ type: "transcript.text.delta", delta: text, ...logprobs(tokens, view) }];
  };
  const cue = (text: string) => {
    file += text;
    return delta(text);
  };
  const shown = ({ text, tokens }: Piece) => delta(text, tokens);

  const timed = (segment: Segment, index: number): object[] => {
    if (format === "diarized_json") return [spoken(segment, index)];
    if (format !== "verbose_json") return [];
    const words = view.words ? { words: judgedWords(segment) } : {};
    return [{ type: "transcript.text.segment", ...verboseSegment(segment, index), ...words }];
  };

  return {
    event(event) {
      switch (event.type) {
        case "start":
          spoken = speakerSegments(event.channels, view);
          return [];
        case "attempt":
          running.attempt(event.number);
          return [];
        case "token":
          return showsTokens ? shown(running.token(event.token, event.windowMs)) : [];
        case "segment": {
          const segment = sane(event.segment);
          const index = count;
          count += 1;
          const text = subtitles ? cue(subtitles.write(segment)) : shown(running.segment(segment));
          return [...text, ...timed(segment, index)];
        }
        case "progress":
          return [progress(event.doneMs, event.totalMs)];
        default:
          return [];
      }
    },
    done(transcript) {
      running.end();
      const last = subtitles ? cue(subtitles.end()) : [];
      const done = {
        type: "transcript.text.done",
        ...summary(transcript, view),
        text: subtitles ? file : textOf(inOrder(transcript)),
        ...logprobs(tokensOf(transcript.segments), view),
        ...usage(transcript, view),
      };
      return [...last, done];
    },
    get isCorrected() {
      return running.isCorrected;
    },
  };
}

/** Segments as verbose_json shows them, in the order given; the first is the `firstId`th of its transcript. */
export const verboseSegments = (segments: readonly Segment[], firstId: number, view: View): object[] =>
  segments.map(sane).map((segment, at) => ({
    ...verboseSegment(segment, firstId + at),
    ...(view.words ? { words: spokenWords(segment) } : {}),
    ...(view.responseFormat === "diarized_json" ? { channel: segment.channel } : {}),
  }));

/** How far a run is: 0 to 1, three decimals. */
export const fraction = (doneMs: number, totalMs: number): number =>
  totalMs > 0 ? Math.min(1, Math.round((doneMs / totalMs) * 1000) / 1000) : 1;

/** Ours, not OpenAI's: their clients hand on what they do not know. */
const progress = (doneMs: number, totalMs: number) => ({
  type: "transcript.progress",
  progress: fraction(doneMs, totalMs),
  done: seconds(doneMs),
  total: seconds(totalMs),
});

/** The segments as they are shown: by time where channels were transcribed apart, else as they came. */
function inOrder(transcript: Transcript): Segment[] {
  const segments = transcript.segments.map(sane);
  return transcript.channels > 1 ? segments.sort((a, b) => a.startMs - b.startMs) : segments;
}

const finite = (value: number, fallback: number) => (Number.isFinite(value) ? value : fallback);

/** OpenAI's stand-in for the logarithm of nearly nothing. */
const lowestLogprob = -9999;
const finiteLogprob = (value: number) => Math.max(finite(value, lowestLogprob), lowestLogprob);

/** The same stretch with finite times that do not run backwards. */
function saneTimes(stretch: { startMs: number; endMs: number }): { startMs: number; endMs: number } {
  const startMs = Math.max(0, finite(stretch.startMs, 0));
  return { startMs, endMs: Math.max(startMs, finite(stretch.endMs, startMs)) };
}

/** The same segment with finite numbers only. */
function sane(segment: Segment): Segment {
  return {
    ...segment,
    ...saneTimes(segment),
    seek: finite(segment.seek, 0),
    words: segment.words.map((word) => ({ ...word, ...saneTimes(word) })),
    avgLogprob: finiteLogprob(segment.avgLogprob),
    noSpeechProb: finite(segment.noSpeechProb, 0),
    compressionRatio: finite(segment.compressionRatio, 0),
    temperature: finite(segment.temperature, 0),
  };
}

/** Milliseconds to seconds: three decimals at most, since both division and printing round to the nearest double. */
export const seconds = (ms: number): number => Math.round(ms) / 1000;

/** A moment as OpenAI's objects have it. */
export const unixSeconds = <T extends number | null>(ms: T): T =>
  (ms === null ? null : Math.floor(ms / 1000)) as T;

/** The ten keys, in the order that OpenAI sends them. Ids count within the answer. */
function verboseSegment(segment: Segment, id: number) {
  return {
    id,
    seek: segment.seek,
    start: seconds(segment.startMs),
    end: seconds(segment.endMs),
    text: segment.text,
    tokens: segment.tokens.map((token) => token.id),
    temperature: segment.temperature,
    avg_logprob: segment.avgLogprob,
    compression_ratio: segment.compressionRatio,
    no_speech_prob: segment.noSpeechProb,
  };
}

/**
 * Segments with their speakers, fed in order: who is heard on a channel, or on a single one those who take turns. Turns tell that the
 * speaker changes, not who speaks: with two speakers that is the same.
 */
function speakerSegments(channels: number, view: View) {
  let turns = 0;
  return (segment: Segment, index: number) => {
    const speaker = channels === 1 && view.speakerTurns ? turns % 2 : segment.channel;
    if (segment.speakerTurn) turns += 1;
    return {
      type: "transcript.text.segment",
      id: `seg_${index}`,
      start: seconds(segment.startMs),
      end: seconds(segment.endMs),
      text: segment.text,
      speaker: view.speakerNames[speaker] ?? letters(speaker),
    };
  };
}

/** A, B, ... Z, AA, AB, ... */
function letters(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}

/** Punctuation at either end of a word. Signs that are spoken (5%, C#, @home, R&D) are none. */
const outerPunctuation = /^[\p{P}--[%‰#@\&]]+|[\p{P}--[%‰#@\&]]+$/gv;

/** Words as OpenAI spells them here: without white space and without the punctuation around them. */
const spokenWords = (segment: Segment) =>
  judgedWords(segment).map(({ word, start, end }) => ({ word, start, end }));

/** The same with their probabilities, 0 to 1. Only in events that are ours: OpenAI's bodies have none. */
function judgedWords(segment: Segment) {
  return segment.words
    .map((word) => ({
      word: word.text.trim().replace(outerPunctuation, ""),
      start: seconds(word.startMs),
      end: seconds(word.endMs),
      probability: Math.round(finite(word.probability, 0) * 1000) / 1000,
    }))
    .filter((word) => word.word !== "");
}

/** What the two timed JSON views say beside text and segments; nothing in the others. */
function summary(transcript: Transcript, view: View) {
  const duration = seconds(Math.max(0, finite(transcript.durationMs, 0)));
  if (view.responseFormat === "diarized_json") return { task: view.task, duration };
  if (view.responseFormat !== "verbose_json") return {};
  // The language is that of the text, not of the speech.
  const language = view.task === "translate" ? "english" : languageName(transcript.language);
  return { task: view.task, language, duration };
}

/** Whole seconds, rounded up. Translations carry none. */
function usage(transcript: Transcript, view: View) {
  if (view.task === "translate") return {};
  const duration = Math.max(0, finite(transcript.durationMs, 0));
  return { usage: { type: "duration", seconds: Math.ceil(duration / 1000) } };
}

const tokensOf = (segments: readonly Segment[]) => segments.flatMap((segment) => segment.tokens);

const logprobs = (tokens: readonly Token[], view: View) =>
  view.logprobs && view.responseFormat === "json" ? { logprobs: logprobsOf(tokens) } : {};

/** Text tokens as OpenAI shows them: by their text, which may be half a character, and by their bytes. */
export function logprobsOf(tokens: readonly Token[]) {
  const decoder = new TextDecoder();
  return tokens
    .filter((token) => token.bytes.length > 0)
    .map((token) => ({
      token: decoder.decode(token.bytes),
      logprob: finiteLogprob(token.logprob),
      bytes: [...token.bytes],
    }));
}

// A client that sees a JSON type parses the body, so everything else must be text/plain; vtt too, as at OpenAI.
const plain = (body: string): Rendered => ({ contentType: "text/plain; charset=utf-8", body });
const json = (body: object): Rendered => ({ contentType: "application/json", body: JSON.stringify(body) });
