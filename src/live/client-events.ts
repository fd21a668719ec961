/** What clients send, before anybody acts on it: every frame is hostile until it is read. */
import { AppError } from "../core/errors.ts";

export interface ClientEvent {
  readonly type: string;
  readonly event_id?: unknown;
  readonly session?: unknown;
  readonly audio?: unknown;
}

/** OpenAI's. */
const maxAudioLength = 15 * 2 ** 20;
/** Nothing but audio is long. */
const maxTextLength = 2 ** 18;
const maxBrackets = 32;

/** Throws invalid_event, invalid_json, missing_required_parameter or invalid_value. */
export function parse(frame: string | Uint8Array): ClientEvent {
  if (typeof frame !== "string") {
    throw new AppError(
      "invalid_event",
      "Expected a text frame with a JSON object but received a binary frame",
    );
  }
  if (frame.length > maxTextLength && isNested(frame)) {
    throw new AppError("invalid_event", `Expected an event of at most ${maxTextLength} characters`);
  }
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    throw new AppError("invalid_json", "Expected a JSON object but received text that is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new AppError("invalid_event", "Expected a JSON object but received another value");
  }
  const event = value as Partial<ClientEvent>;
  if (typeof event.type !== "string") {
    throw new AppError("missing_required_parameter", "Expected the event's type", { param: "type" });
  }
  const { event_id: eventId } = event;
  if (eventId !== undefined && (typeof eventId !== "string" || eventId.length > 512)) {
    throw new AppError("invalid_value", "Expected text of at most 512 characters for event_id", {
      param: "event_id",
    });
  }
  if (event.type !== "input_audio_buffer.append" && frame.length > maxTextLength) {
    throw new AppError("invalid_event", `Expected an event of at most ${maxTextLength} characters`);
  }
  return event as ClientEvent;
}

/** Base64 has no brackets. Deeply nested values take the parser a hundred times as long as text. */
function isNested(frame: string): boolean {
  const count = (bracket: string) => {
    let found = 0;
    for (let at = frame.indexOf(bracket); at >= 0 && found < maxBrackets; at = frame.indexOf(bracket, at + 1))
      found += 1;
    return found;
  };
  return count("[") + count("{") >= maxBrackets;
}

/** The bytes of an append. Throws invalid_value or missing_required_parameter, about audio. */
export function readAudio(encoded: unknown): Uint8Array {
  if (typeof encoded !== "string") {
    const code = encoded === undefined ? "missing_required_parameter" : "invalid_value";
    throw new AppError(code, "Expected audio in base64 for audio", { param: "audio" });
  }
  if (encoded.length > maxAudioLength) {
    throw new AppError("invalid_value", "Expected at most 15 MiB for audio", { param: "audio" });
  }
  try {
    return Uint8Array.fromBase64(encoded);
  } catch {
    throw new AppError("invalid_value", "Expected base64 for audio", { param: "audio" });
  }
}
