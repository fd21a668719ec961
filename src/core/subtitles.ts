/** SubRip and WebVTT. A file is the concatenation of its pieces, so that it can be sent while it is made. */
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
 * always write hours. Cues without text are left out. Within a channel no cue starts before the one before it.
 */
export function subtitleWriter(format: SubtitleFormat): TextWriter {
  let header = format === "vtt" ? "WEBVTT\n\n" : "";
  const trailer = format === "srt" ? "\n" : "";
  const written = format === "vtt" ? escapeMarkup : (text: string) => text;
  const decimal = format === "srt" ? "," : ".";
  const lastStartMs = new Map<number, number>();
  let count = 0;

  const takeHeader = () => {
    const taken = header;
    header = "";
    return taken;
  };

  return {
    write(segment) {
      const text = cueText(segment.text);
      if (text === "") return "";
      const startMs = Math.max(segment.startMs, lastStartMs.get(segment.channel) ?? 0);
      lastStartMs.set(segment.channel, startMs);
      const times = `${timestamp(startMs, decimal)} --> ${timestamp(Math.max(startMs, segment.endMs), decimal)}`;
      count += 1;
      return `${takeHeader()}${format === "srt" ? `${count}\n` : ""}${times}\n${written(text)}\n\n`;
    },
    end: () => takeHeader() + trailer,
  };
}

/** One line, since an empty line ends a cue; no arrow, since that starts one (the replacement is openai/whisper's). */
function cueText(text: string): string {
  return text
    .trim()
    .replace(/\s*[\r\n]+\s*/g, " ")
    .replace(/-{2,}>/g, "->");
}

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
