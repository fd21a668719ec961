/** What transcribes: this process, or a server that is asked. Both say the same things in the same order. */
import type { ResponseFormat } from "../../core/formats.ts";
import type { FieldTexts } from "../../http/form.ts";

export interface TranscriptionJob {
  /** Of a file that can be read and sought. */
  readonly path: string;
  /** For the server: what the file is called. */
  readonly name: string;
  readonly isTranslation: boolean;
  /** By wire name, response_format and model among them. */
  readonly fields: FieldTexts;
  /** Whether text is wanted while it is decoded. */
  readonly shown: boolean;
  readonly signal: AbortSignal;
}

/** An object of the stream, as it is sent over HTTP: transcript.text.delta, transcript.progress, ..., transcript.text.done last. */
export interface Payload {
  readonly type: string;
  readonly [key: string]: unknown;
}

export interface Transcriber extends AsyncDisposable {
  /** Throws what a person can mend as AppError or Failure; when `signal` fires, anything. */
  transcribe(job: TranscriptionJob): AsyncIterable<Payload>;
}

/** A stream says more of a word than a body. */
type StreamedWord = Readonly<Record<"word" | "start" | "end" | "probability", unknown>>;
const inBody = ({ probability: _, ...word }: StreamedWord) => word;

interface Stretch {
  readonly start: number;
}

/** The answer that a request without `stream` would have got, made of the stream's objects. Throws when they have no end. */
export function bodyOf(payloads: readonly Payload[], format: ResponseFormat): string {
  const done = payloads.find(({ type }) => type === "transcript.text.done");
  if (!done) throw new Error("Expected transcript.text.done at the end of the transcript");
  const { type: _, text, usage, ...rest } = done;
  if (format === "text") return `${text}\n`;
  if (format === "srt" || format === "vtt") return String(text);
  const counted = usage === undefined ? {} : { usage };
  const events = payloads.filter(({ type }) => type === "transcript.text.segment");
  switch (format) {
    case "json":
      return JSON.stringify({ text, ...rest, ...counted });
    case "diarized_json": {
      const segments = (events as unknown as Stretch[]).toSorted((a, b) => a.start - b.start);
      return JSON.stringify({
        ...rest,
        text,
        segments: segments.map((segment, index) => ({ ...segment, id: `seg_${index}` })),
        ...counted,
      });
    }
    case "verbose_json": {
      const words = events.some((event) => event.words)
        ? { words: events.flatMap((event) => event.words as StreamedWord[]).map(inBody) }
        : {};
      const segments = events.map(({ type: _type, words: _words, ...segment }) => segment);
      return JSON.stringify({ ...rest, text, segments, ...words, ...counted });
    }
  }
}
