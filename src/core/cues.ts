/**
 * Where a subtitle begins and ends: segments and their word times become cues. Names and meaning of the widths and counts are those
 * of openai/whisper's writers (whisper/utils.py); durations follow the usual guides for subtitling.
 */
import type { Segment } from "./transcript.ts";

/** How subtitles are to look; 0 = no limit. */
export interface CueShape {
  /** Columns of a line: a wide character (Chinese, Japanese, Korean, emoji) takes two. A longer word has a line of its own. */
  readonly maxLineWidth: number;
  readonly maxLineCount: number;
  readonly maxWordsPerLine: number;
  /** A shorter cue stays until then, if the next one does not begin. */
  readonly minCueDurationMs: number;
  readonly maxCueDurationMs: number;
  /** Underline each word while it is spoken. */
  readonly highlightWords: boolean;
}

export const defaultCueShape: CueShape = {
  maxLineWidth: 0,
  maxLineCount: 0,
  maxWordsPerLine: 0,
  minCueDurationMs: 1000,
  maxCueDurationMs: 7000,
  highlightWords: false,
};

/** Text with what separates it from the text before: white space, the end of a line, or nothing. */
export interface CueWord {
  readonly text: string;
  readonly startMs: number;
  readonly endMs: number;
}

export interface Cue {
  readonly startMs: number;
  readonly endMs: number;
  /** Their texts joined are the cue's. */
  readonly words: readonly CueWord[];
}

/** Fed with segments in order, it says cues in order; the last ones at the end. */
export interface CueSource {
  push(segment: Segment): Cue[];
  end(): Cue[];
}

/** A silence of this length ends a cue. */
const pauseMs = 1000;
/** Where a cue must be cut, a silence of this length is as good as a comma. */
const breathMs = 300;

/**
 * Cuts at pauses, at ends of sentences when the cue has lasted for the shortest duration, and where a limit is reached: then
 * preferably at the end of a sentence or clause in the cue's second half. A cue lies within one segment unless width and
 * count of its lines are both limited (openai/whisper's rule), and never spans a change of speakers. Cues do not overlap, and no
 * text is lost.
 */
export class CueSplitter implements CueSource {
  private readonly shape: CueShape;
  private readonly keepsSegments: boolean;
  /** Of the cue that grows. */
  private open: Measured[] = [];
  /** Complete, but how long it may stay depends on the next one's start: there is none then in `open`. */
  private held: readonly Measured[] | null = null;
  private lastEndMs = 0;
  private mustBreak = false;

  constructor(shape: CueShape) {
    this.keepsSegments = !shape.maxLineWidth || !shape.maxLineCount;
    // words alone: a line is a cue, as at openai/whisper
    const maxLineCount = shape.maxLineCount || (shape.maxWordsPerLine && !shape.maxLineWidth ? 1 : 0);
    this.shape = {
      maxLineWidth: shape.maxLineWidth || Number.POSITIVE_INFINITY,
      maxLineCount: maxLineCount || Number.POSITIVE_INFINITY,
      maxWordsPerLine: shape.maxWordsPerLine || Number.POSITIVE_INFINITY,
      minCueDurationMs: shape.minCueDurationMs,
      maxCueDurationMs: shape.maxCueDurationMs || Number.POSITIVE_INFINITY,
      highlightWords: shape.highlightWords,
    };
  }

  push(segment: Segment): Cue[] {
    const cues: Cue[] = [];
    if (this.keepsSegments) this.mustBreak = true;
    for (const word of wordsOf(segment)) {
      if (this.mustBreak || this.breaksBefore(word)) this.close(this.open.length, cues);
      this.mustBreak = false;
      while (this.open.length > 0 && !this.fits([...this.open, word])) this.close(this.bestCut(), cues);
      if (this.open.length === 0) this.settle(word.startMs, cues);
      this.open.push(word);
    }
    if (segment.speakerTurn) this.mustBreak = true;
    return cues;
  }

  end(): Cue[] {
    const cues: Cue[] = [];
    this.close(this.open.length, cues);
    this.settle(Number.POSITIVE_INFINITY, cues);
    return cues;
  }

  /** The first `count` words are a cue. */
  private close(count: number, cues: Cue[]): void {
    if (count === 0) return;
    this.held = this.open.slice(0, count);
    this.open = this.open.slice(count);
    if (this.open[0]) this.settle(this.open[0].startMs, cues);
  }

  /** Says the held cue, now that the next one's start is known. */
  private settle(nextStartMs: number, cues: Cue[]): void {
    const words = this.held;
    if (!words) return;
    this.held = null;
    const { minCueDurationMs, maxCueDurationMs } = this.shape;
    const startMs = Math.max(this.lastEndMs, words[0]?.startMs ?? 0);
    const spokenMs = (words.at(-1)?.endMs ?? 0) - startMs;
    const durationMs = Math.min(Math.max(spokenMs, minCueDurationMs, 0), maxCueDurationMs);
    // times that run backwards: then the next one waits
    const limitMs = nextStartMs > startMs ? nextStartMs : Number.POSITIVE_INFINITY;
    const endMs = Math.min(startMs + durationMs, limitMs);
    this.lastEndMs = endMs;
    cues.push({ startMs, endMs, words: this.lines(words).flatMap(separated) });
  }

  private breaksBefore(word: Measured): boolean {
    const last = this.open.at(-1);
    const [first] = this.open;
    if (!last || !first) return false;
    if (word.startMs - last.endMs >= pauseMs) return true;
    const isLongEnough = last.endMs - first.startMs >= this.shape.minCueDurationMs;
    return isLongEnough && endsSentence(last) && !/^\s*\p{Ll}/u.test(word.text);
  }

  private fits(words: readonly Measured[]): boolean {
    const durationMs = (words.at(-1)?.endMs ?? 0) - (words[0]?.startMs ?? 0);
    return durationMs <= this.shape.maxCueDurationMs && this.lines(words).length <= this.shape.maxLineCount;
  }

  /** How many of the open words are the next cue: up to the last good place in their second half, else all. */
  private bestCut(): number {
    const least = Math.ceil(this.open.length / 2);
    const counts = this.open.map((_, index) => index + 1).filter((count) => count >= least);
    const last = (isGood: (word: Measured, next: Measured | undefined) => boolean) =>
      counts.findLast((count) => {
        const word = this.open[count - 1];
        return word && isGood(word, this.open[count]);
      });
    return (
      last(endsSentence) ??
      last((word, next) => endsClause(word) || (next?.startMs ?? 0) - word.endMs >= breathMs) ??
      this.open.length
    );
  }

  private lines(words: readonly Measured[]): Measured[][] {
    const { maxLineWidth, maxWordsPerLine } = this.shape;
    const lines: Measured[][] = [];
    let width = 0;
    for (const word of words) {
      const line = lines.at(-1);
      if (line && line.length < maxWordsPerLine && width + word.width <= maxLineWidth) {
        line.push(word);
        width += word.width;
      } else {
        lines.push([word]);
        width = word.ownWidth;
      }
    }
    return lines;
  }
}

/** A word and its columns, with and without the white space before it. */
interface Measured extends CueWord {
  readonly width: number;
  readonly ownWidth: number;
}

/** The words of a line, in the cue that has it. */
function separated(line: readonly Measured[], index: number): CueWord[] {
  return line.map(({ text, startMs, endMs }, place) => {
    if (place > 0) return { text, startMs, endMs };
    return { text: `${index === 0 ? "" : "\n"}${text.trimStart()}`, startMs, endMs };
  });
}

/** The segment's text in parts that begin with a word each, with what is between them: joined they are the text. */
function wordsOf(segment: Segment): Measured[] {
  const text = oneLine(segment.text);
  const words: Measured[] = [];
  let cursor = 0;
  let startMs: number | null = null;
  for (const word of segment.words.length > 0 ? segment.words : evenly(text, segment)) {
    startMs ??= word.startMs;
    const found = text.indexOf(word.text, cursor);
    // what the text does not have goes on in the next word
    if (found < 0 || word.text === "") continue;
    const end = found + word.text.length;
    words.push(measured(text.slice(cursor, end), startMs, word.endMs));
    cursor = end;
    startMs = null;
  }
  const rest = text.slice(cursor);
  if (rest.trim() === "") return words;
  const last = words.pop();
  words.push(
    measured((last?.text ?? "") + rest, last?.startMs ?? segment.startMs, last?.endMs ?? segment.endMs),
  );
  return words;
}

const measured = (text: string, startMs: number, endMs: number): Measured => ({
  text,
  startMs,
  endMs: Math.max(startMs, endMs),
  width: Bun.stringWidth(text),
  ownWidth: Bun.stringWidth(text.trimStart()),
});

/** An empty line would end a cue. White space in front is kept: it separates from the last segment. */
const oneLine = (text: string) => text.replace(/\s+/g, " ").trimEnd();

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });

/** For a segment without word times: its words, each with a share of the time by its length. */
function evenly(text: string, { startMs, endMs }: Segment): CueWord[] {
  const parts: string[] = [];
  for (const { segment, isWordLike } of segmenter.segment(text)) {
    const last = parts.at(-1);
    const isGlued = !isWordLike && segment.trim() !== "" && last !== undefined && last.trim() !== "";
    if (isGlued) parts[parts.length - 1] = last + segment;
    else parts.push(segment);
  }
  const perUnit = (endMs - startMs) / Math.max(text.length, 1);
  let units = 0;
  return parts.flatMap((part) => {
    const fromMs = Math.round(startMs + units * perUnit);
    units += part.length;
    if (part.trim() === "") return [];
    return [{ text: part, startMs: fromMs, endMs: Math.round(startMs + units * perUnit) }];
  });
}

const closing = "[\"'”’»)\\]」』）]*$";
const sentenceEnd = new RegExp(`(?:[.?!…]|[。！？｡؟।])${closing}`, "u");
const clauseEnd = new RegExp(`(?:[,;:—–]|[、，；：،])${closing}`, "u");
/** Titles and initials: their full stop ends no sentence. */
const abbreviation = /^\s*(?:mr|mrs|ms|dr|prof|st|vs|\p{L}(?:\.\p{L})*)\.$/iu;

const endsSentence = ({ text }: CueWord) => sentenceEnd.test(text) && !abbreviation.test(text);
const endsClause = ({ text }: CueWord) => clauseEnd.test(text);
