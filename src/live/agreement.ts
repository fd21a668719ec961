/**
 * LocalAgreement-2 (Macháček, Dabre and Bojar 2023, "Turning Whisper into Real-Time Transcription System"): what two successive
 * transcripts of growing audio begin with in common is said, and is never taken back.
 */

/** Scripts that write no spaces: each character stands for itself. */
const unspaced =
  "\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}";
const unit = new RegExp(`\\s*(?:[${unspaced}]\\p{M}*|[^\\s${unspaced}]+)`, "gu");

/** The words of a text, each with the white space before it. */
export const unitsOf = (text: string): string[] => text.match(unit) ?? [];

export class Agreement {
  /** All that was said; append-only. */
  text = "";
  /** What was said of the audio that is still transcribed. */
  private said: string[] = [];
  /** What the last transcript had beyond that. */
  private open: string[] = [];

  /** Takes a transcript of the audio so far; gives what is newly agreed on. */
  add(transcript: string): string {
    const rest = this.beyond(unitsOf(transcript));
    const differs = rest.findIndex((word, index) => word !== this.open[index]);
    const common = rest.slice(0, differs < 0 ? rest.length : differs);
    const agreed = common.length === rest.length ? withoutClose(common) : common;
    this.open = rest.slice(agreed.length);
    return this.say(agreed);
  }

  /** Takes the last transcript; gives all that is left to say. */
  finish(transcript: string): string {
    this.open = [];
    return this.say(this.beyond(unitsOf(transcript)));
  }

  /** How many words of `transcript`, from its start, are said word for word. */
  countSaid(transcript: readonly string[]): number {
    const differs = transcript.findIndex((word, index) => word !== this.said[index]);
    return differs < 0 ? transcript.length : differs;
  }

  /** The audio of the first `count` words that were said is no longer transcribed. */
  forget(count: number): void {
    this.said.splice(0, count);
  }

  private say(words: readonly string[]): string {
    this.said.push(...words);
    const joined = words.join("");
    const piece = this.text === "" ? joined.trimStart() : joined;
    this.text += piece;
    return piece;
  }

  /** What `words` have after the place that corresponds best to what was said: a later transcript may put that otherwise. */
  private beyond(words: readonly string[]): string[] {
    return words.slice(correspondingLength(this.said, words));
  }
}

/** Where the audio breaks off Whisper likes to end a sentence, also in the middle of one. */
const withoutClose = (words: readonly string[]) =>
  /\p{P}$/u.test(words.at(-1) ?? "") ? words.slice(0, -1) : words;

/** Length of the beginning of `words` with the least edit distance to `said`. */
function correspondingLength(said: readonly string[], words: readonly string[]): number {
  let distances = Array.from({ length: words.length + 1 }, (_, index) => index);
  for (const [row, word] of said.entries()) {
    const next = [row + 1];
    for (const [column, other] of words.entries()) {
      const replaced = (distances[column] ?? 0) + (same(word, other) ? 0 : 1);
      next.push(Math.min(replaced, (distances[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    distances = next;
  }
  const last = said.at(-1) ?? "";
  // among equals: one that ends with the same word, then the one that is nearest in length
  const badness = (length: number) =>
    (distances[length] ?? 0) * 1e6 +
    (length > 0 && same(words[length - 1] ?? "", last) ? 0 : 1e3) +
    Math.min(Math.abs(length - said.length), 999);
  let best = 0;
  for (const length of distances.keys()) if (badness(length) < badness(best)) best = length;
  return best;
}

/** Case and punctuation come and go with what follows. */
const same = (a: string, b: string) => a === b || bare(a) === bare(b);
const bare = (word: string) => word.replace(/[\s\p{P}]+/gu, "").toLowerCase();
