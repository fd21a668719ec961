/** Events of a run as JSON. Numbers come back as they were: JSON writes a double so that it reads as the same one. */
import type { Segment, Token, TranscriptEvent } from "./transcript.ts";

type JsonToken = Omit<Token, "bytes"> & { readonly bytes: string };

/** As TranscriptEvent; bytes are base64. */
export type JsonEvent =
  | Exclude<TranscriptEvent, { readonly type: "token" | "segment" }>
  | { readonly type: "token"; readonly token: JsonToken; readonly windowMs: number | null }
  | {
      readonly type: "segment";
      readonly segment: Omit<Segment, "tokens"> & { readonly tokens: readonly JsonToken[] };
    };

const tokenToJson = (token: Token): JsonToken => ({ ...token, bytes: token.bytes.toBase64() });
const tokenFromJson = (token: JsonToken): Token => ({ ...token, bytes: Uint8Array.fromBase64(token.bytes) });

export function eventToJson(event: TranscriptEvent): JsonEvent {
  if (event.type === "token") return { ...event, token: tokenToJson(event.token) };
  if (event.type !== "segment") return event;
  return { ...event, segment: { ...event.segment, tokens: event.segment.tokens.map(tokenToJson) } };
}

/** What `eventToJson` made; throws some error for bytes that are no base64. */
export function eventFromJson(event: JsonEvent): TranscriptEvent {
  if (event.type === "token") return { ...event, token: tokenFromJson(event.token) };
  if (event.type !== "segment") return event;
  return { ...event, segment: { ...event.segment, tokens: event.segment.tokens.map(tokenFromJson) } };
}
