/** What a session tells its client: OpenAI's server events, in the names of the GA interface or of the beta. */
import type { AppError } from "../core/errors.ts";
import type { Segment } from "../core/transcript.ts";
import type { SessionConfig } from "./config.ts";
import { betaSessionObject, type SessionIdentity, sessionObject } from "./session-object.ts";

export type Dialect = "ga" | "beta";

/** Without its event_id. */
export interface ServerEvent {
  readonly type: string;
  readonly [key: string]: unknown;
}

export const newId = (kind: "event" | "item" | "sess" | "seg"): string =>
  `${kind}_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;

export function sessionEvent(
  verb: "created" | "updated",
  dialect: Dialect,
  config: SessionConfig,
  identity: SessionIdentity,
): ServerEvent {
  return dialect === "beta"
    ? { type: `transcription_session.${verb}`, session: betaSessionObject(config, identity) }
    : { type: `session.${verb}`, session: sessionObject(config, identity) };
}

/** `eventId`: of the client's event that it is about. */
export const errorEvent = (error: AppError, eventId: string | null = null): ServerEvent => ({
  type: "error",
  error: { ...error.toJSON(), event_id: eventId },
});

export const speechStarted = (itemId: string, startMs: number): ServerEvent => ({
  type: "input_audio_buffer.speech_started",
  audio_start_ms: startMs,
  item_id: itemId,
});

export const speechStopped = (itemId: string, endMs: number): ServerEvent => ({
  type: "input_audio_buffer.speech_stopped",
  audio_end_ms: endMs,
  item_id: itemId,
});

export const cleared: ServerEvent = { type: "input_audio_buffer.cleared" };

/** The turn is complete: what clients order turns by. */
export function committed(dialect: Dialect, itemId: string, previousItemId: string | null): ServerEvent[] {
  const item = {
    id: itemId,
    ...(dialect === "beta" ? { object: "realtime.item" } : {}),
    type: "message",
    status: "completed",
    role: "user",
    content: [{ type: "input_audio", transcript: null }],
  };
  const about = { previous_item_id: previousItemId, item };
  return [
    { type: "input_audio_buffer.committed", previous_item_id: previousItemId, item_id: itemId },
    ...(dialect === "beta"
      ? [{ type: "conversation.item.created", ...about }]
      : [
          { type: "conversation.item.added", ...about },
          { type: "conversation.item.done", ...about },
        ]),
  ];
}

const transcription = (verb: string, itemId: string, fields: object): ServerEvent => ({
  type: `conversation.item.input_audio_transcription.${verb}`,
  item_id: itemId,
  content_index: 0,
  ...fields,
});

export const delta = (itemId: string, text: string, logprobs: readonly object[] | null): ServerEvent =>
  transcription("delta", itemId, { delta: text, ...(logprobs ? { logprobs } : {}) });

export const completed = (
  itemId: string,
  transcript: string,
  durationMs: number,
  logprobs: readonly object[] | null,
): ServerEvent =>
  transcription("completed", itemId, {
    transcript,
    ...(logprobs ? { logprobs } : {}),
    usage: { type: "duration", seconds: Math.ceil(durationMs / 1000) },
  });

export const failed = (itemId: string, error: AppError): ServerEvent =>
  transcription("failed", itemId, { error: { ...error.toJSON(), type: "transcription_error" } });

/** A segment of who speaks: one microphone is one speaker. Times count from the turn's start. */
export const speakerSegment = (itemId: string, segment: Segment, offsetMs: number): ServerEvent =>
  transcription("segment", itemId, {
    id: newId("seg"),
    speaker: "A",
    start: (segment.startMs + offsetMs) / 1000,
    end: (segment.endMs + offsetMs) / 1000,
    text: segment.text.trim(),
  });
