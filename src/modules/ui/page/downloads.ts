/** Files of a transcript, made here by the server's own code: the same bytes, and nothing is transcribed twice. */
import { render } from "../../../core/formats.ts";
import type { Recording } from "./recording.ts";

export const fileFormats = ["txt", "srt", "vtt", "json"] as const;
export type FileFormat = (typeof fileFormats)[number];

const responseFormats = { txt: "text", srt: "srt", vtt: "vtt", json: "verbose_json" } as const;

export function fileOf(recording: Recording, format: FileFormat): string {
  const { transcript, options } = recording;
  const { body } = render(transcript, {
    responseFormat: responseFormats[format],
    task: options.translate ? "translate" : "transcribe",
    words: transcript.segments.some(({ words }) => words.length > 0),
    segments: true,
    logprobs: false,
    speakerNames: [],
    speakerTurns: false,
    cues: null,
  });
  return body;
}

export function download(recording: Recording, format: FileFormat): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([fileOf(recording, format)], { type: "text/plain" }));
  link.download = `${recording.name.replace(/\.[^.]*$/, "")}.${format}`;
  link.click();
  // Not at once: the browser may still be reading it.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Throws when the browser does not let it. */
export async function copy(text: string): Promise<void> {
  // Only there over https and on localhost.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("The browser did not let this page copy.");
}
