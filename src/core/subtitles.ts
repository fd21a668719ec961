/** SubRip and WebVTT. A file is the concatenation of its pieces, so that it can be sent while it is made. */
import { type Cue, type CueShape, type CueSource, CueSplitter } from "./cues.ts";
import type { Segment } from "./transcript.ts";

export type SubtitleFormat = "srt" | "vtt";

/** Turns segments, one by one, into pieces of text that add up to a whole. */
export interface TextWriter {
  /** The piece that a segment adds; may be empty. */
  write(segment: Segment): string;
  /** The last piece. */
  end(): string;
}

/**
 * A subtitle file in the bytes that OpenAI sends: SRT counts from 1 and ends with two empty lines, VTT has no cue ids, both
 * always write hours. Cues without text are left out. Without a shape a segment is a cue, and within a channel no cue starts
 * before the one before it.
 */
export function subtitleWriter(format: SubtitleFormat, shape: CueShape | null): TextWriter {
  const source = shape ? new CueSplitter(shape) : segmentsAsCues();
  const trailer = format === "srt" ? "\n" : "";
  const escaped = format === "vtt" ? escapeMarkup : (text: string) => text;
  const decimal = format === "srt" ? "," : ".";
  let header = format === "vtt" ? "WEBVTT\n\n" : "";
  let count = 0;

  const one = (startMs: number, endMs: number, text: string) => {
    const written = withoutArrows(text);
    if (written.trim() === "") return "";
    const taken = header;
    header = "";
    count += 1;
    const times = `${timestamp(startMs, decimal)} --> ${timestamp(endMs, decimal)}`;
    return `${taken}${format === "srt" ? `${count}\n` : ""}${times}\n${written}\n\n`;
  };
  const written = (cue: Cue) =>
    (shape?.highlightWords ? highlighted(cue) : [cue])
      .map(({ startMs, endMs, words }) =>
        one(startMs, endMs, words.map((word) => marked(word, escaped)).join("")),
      )
      .join("");

  return {
    write: (segment) => source.push(segment).map(written).join(""),
    end: () => source.end().map(written).join("") + header + trailer,
  };
}

function segmentsAsCues(): CueSource {
  const lastStartMs = new Map<number, number>();
  return {
    push({ text, channel, ...times }) {
      const written = text.trim().replace(/\s*[\r\n]+\s*/g, " ");
      if (written === "") return [];
      const startMs = Math.max(times.startMs, lastStartMs.get(channel) ?? 0);
      lastStartMs.set(channel, startMs);
      const endMs = Math.max(startMs, times.endMs);
      return [{ startMs, endMs, words: [{ text: written, startMs, endMs }] }];
    },
    end: () => [],
  };
}

interface Marked extends Cue {
  readonly words: readonly (Cue["words"][number] & { readonly isSpoken?: boolean })[];
}

/**
 * The cue again for each of its words, underlined while it is spoken, as openai/whisper writes it: players show it without a style
 * sheet, which they do not do for WebVTT's own time tags.
 */
function highlighted({ startMs, endMs, words }: Cue): Marked[] {
  const parts: Marked[] = [];
  let doneMs = startMs;
  const until = (ms: number, spoken: number | null) => {
    if (ms <= doneMs) return;
    const shown = words.map((word, index) => ({ ...word, isSpoken: index === spoken }));
    parts.push({ startMs: doneMs, endMs: ms, words: shown });
    doneMs = ms;
  };
  for (const [index, word] of words.entries()) {
    until(Math.min(word.startMs, endMs), null);
    until(Math.min(word.endMs, endMs), index);
  }
  until(endMs, null);
  return parts.length > 0 ? parts : [{ startMs, endMs, words }];
}

function marked({ text, isSpoken }: Marked["words"][number], escaped: (text: string) => string): string {
  if (!isSpoken) return escaped(text);
  const word = text.trimStart();
  return `${text.slice(0, text.length - word.length)}<u>${escaped(word)}</u>`;
}

/** An arrow would start a cue (the replacement is openai/whisper's). */
const withoutArrows = (text: string) => text.replace(/-{2,}>/g, "->");

/** WebVTT reads `<` as the start of a tag and `&` as that of a character reference. */
function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** hh:mm:ss and milliseconds; hours grow beyond two digits. */
function timestamp(ms: number, decimal: string): string {
  const whole = Math.round(ms);
  const pad = (value: number, width = 2) => String(Math.floor(value)).padStart(width, "0");
  const clock = [whole / 3_600_000, (whole / 60_000) % 60, (whole / 1000) % 60]
    .map((part) => pad(part))
    .join(":");
  return `${clock}${decimal}${pad(whole % 1000, 3)}`;
}
