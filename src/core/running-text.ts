/** Text that is shown while it is decoded: pieces that are never taken back, and add up to the whole. */
import type { Segment, Token } from "./transcript.ts";

export interface RunningTextOptions {
  /** The decoder makes another attempt when one's mean log-probability is lower, or its text compresses better. */
  readonly logprobThreshold: number;
  readonly compressionRatioThreshold: number;
}

/** A piece of text, and the tokens that made it. */
export interface Piece {
  readonly text: string;
  readonly tokens: readonly Token[];
}

const nothing: Piece = { text: "", tokens: [] };

/** Length in zlib's format. Not by node:zlib: browsers that bundle the formats could not import it. */
const zlibLength = (bytes: Uint8Array<ArrayBuffer>) => Bun.deflateSync(bytes).length + zlibFrame;
/** Header and checksum, which raw deflate is without. */
const zlibFrame = 6;

/** Text of a window that begins later than this may be cut off by the window's end, and is then heard again. */
const lateMs = 20_000;

/**
 * Fed with a run's events in order, it says what may be shown: whole characters, no white space at either end of the text,
 * nothing twice. A token's text is held back while its attempt looks as if another will follow, and near the end of a
 * window. Where the decoder nevertheless decides otherwise after text was shown, it goes on behind as many words as were
 * shown, and `isCorrected` tells that the pieces are not the text.
 */
export class RunningText {
  /** What of `whole` has been shown; when corrected, what stands in its place. */
  private shown = "";
  /** Of the segments, as decoded. */
  private final = "";
  private decoder = new TextDecoder();
  private attemptText = "";
  private attemptTokens: Token[] = [];
  private tokensShown = 0;
  private logprobs = 0;
  private isLate = false;
  private isSettled = true;
  private corrected = false;

  constructor(private readonly options: RunningTextOptions) {}

  get isCorrected(): boolean {
    return this.corrected;
  }

  /** An attempt at a window begins; 0 is its first. */
  attempt(number: number): void {
    if (number === 0) this.end();
    this.decoder = new TextDecoder();
    this.attemptText = "";
    this.attemptTokens = [];
    this.logprobs = 0;
    this.isLate = false;
    this.isSettled = false;
    if (number === 0) this.tokensShown = 0;
  }

  /** `windowMs`: of a timestamp, from the window's start; null for text. */
  token(token: Token, windowMs: number | null): Piece {
    if (windowMs !== null) this.isLate = windowMs >= lateMs;
    if (token.bytes.length === 0) return nothing;
    this.attemptText += this.decoder.decode(token.bytes, { stream: true });
    this.attemptTokens.push(token);
    this.logprobs += token.logprob;
    return this.isLate || this.looksBad() ? nothing : this.show(this.final + this.attemptText, false);
  }

  segment(segment: Segment): Piece {
    // the first one of a window: from here on its segments say what was said
    if (!this.isSettled) this.attemptTokens = [];
    this.isSettled = true;
    this.final += segment.text;
    this.attemptTokens.push(...segment.tokens.filter(({ bytes }) => bytes.length > 0));
    return this.show(this.final, true);
  }

  /** The end of a window, or of all: what was shown beyond its segments is not text. */
  end(): void {
    const whole = this.final.trim();
    if (whole.startsWith(this.shown)) return;
    this.corrected = true;
    this.shown = whole;
  }

  private looksBad(): boolean {
    const bytes = new TextEncoder().encode(this.attemptText);
    const { logprobThreshold, compressionRatioThreshold } = this.options;
    return (
      this.logprobs / this.attemptTokens.length < logprobThreshold ||
      bytes.length / zlibLength(bytes) > compressionRatioThreshold
    );
  }

  private show(text: string, isFinal: boolean): Piece {
    const whole = text.trim();
    if (!whole.startsWith(this.shown)) {
      // it still grows: another attempt, or the segments of a window one by one
      const words = wordsOf(this.shown).length;
      if (!isFinal || this.shown.startsWith(whole) || wordsOf(whole).length < words) return nothing;
      this.corrected = true;
      this.shown = firstWords(whole, words);
    }
    const piece = whole.slice(this.shown.length);
    if (piece === "") return nothing;
    this.shown = whole;
    const tokens = this.attemptTokens.slice(this.tokensShown);
    this.tokensShown = this.attemptTokens.length;
    return { text: piece, tokens };
  }
}

const wordsOf = (text: string) => text.match(/\S+/g) ?? [];

/** The beginning of a text, so many words long. */
function firstWords(text: string, count: number): string {
  const ends = [...text.matchAll(/\S+/g)].map((match) => match.index + match[0].length);
  return text.slice(0, count === 0 ? 0 : (ends[count - 1] ?? text.length));
}
