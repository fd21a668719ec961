/** Where in the text a time is, and how its words lie in it. */
import type { Segment, Word } from "../../../core/transcript.ts";

/** Under this probability a word is marked: as likely as not it is another. */
const sureProbability = 0.5;

export const isUnsure = (probability: number) => probability < sureProbability;

/** A stretch of a segment's text; `word` is its index, or null for what stands between words. */
export interface Piece {
  readonly text: string;
  readonly word: number | null;
}

/** Segment and word that are heard at a time; the last that began, since voices do not stop between words. */
export interface Place {
  readonly segment: number;
  /** -1: the segment has no word times, or none has begun. */
  readonly word: number;
}

export function placeAt(segments: readonly Segment[], ms: number): Place | null {
  const segment = lastBegun(segments, ms);
  const found = segments[segment];
  if (!found || ms > found.endMs + 250) return null;
  return { segment, word: lastBegun(found.words, ms) };
}

/** Index of the last that begins at or before `ms`; -1: none does. They are in order. */
function lastBegun(items: readonly { readonly startMs: number }[], ms: number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.startMs ?? 0) <= ms) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The words come without the punctuation around them: they are found in the text, in order, and take it with them. */
export function piecesOf(text: string, words: readonly Word[]): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  words.forEach((word, index) => {
    const found = text.indexOf(word.text, at);
    if (found < 0) return;
    if (found > at) pieces.push({ text: text.slice(at, found), word: null });
    pieces.push({ text: word.text, word: index });
    at = found + word.text.length;
  });
  if (at < text.length) pieces.push({ text: text.slice(at), word: null });
  return pieces;
}
