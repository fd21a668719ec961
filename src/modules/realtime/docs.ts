/** What /docs says about this module. */
import type { DocumentDecoration } from "elysia";
import { counted, errorResponses, guarded, jsonResponse } from "../../http/openapi.ts";
import { logprobsKey } from "../../live/config.ts";

const nullable = (schema: object) => ({ ...schema, nullable: true });
const string = { type: "string" };
const integer = (minimum: number, maximum: number, more: object = {}) => ({
  type: "integer",
  minimum,
  maximum,
  ...more,
});
const choice = (...values: string[]) => ({ type: "string", enum: values });
const record = (properties: object) => ({ type: "object", properties });

const transcription = nullable(
  record({
    model: { ...string, description: "An installed model, or an alias of WHISPER_MODEL." },
    language: nullable({
      ...string,
      description: "Code or English name; null: it is detected in each turn.",
    }),
    prompt: nullable(string),
    languages: nullable({ type: "array", items: string }),
    keywords: nullable({ type: "array", items: string }),
    delay: nullable({
      ...choice("minimal", "low", "medium", "high", "xhigh"),
      description: "Send text while its speaker still speaks; absent: at the end of each turn.",
    }),
  }),
);
const noiseReduction = nullable(
  record({ type: choice("near_field", "far_field"), strength: { type: "number", minimum: 0, maximum: 1 } }),
);
const turnDetection = nullable(
  record({
    type: choice("server_vad", "semantic_vad"),
    threshold: { type: "number", minimum: 0, maximum: 1, default: 0.5 },
    prefix_padding_ms: integer(0, 10_000, { default: 300 }),
    silence_duration_ms: integer(0, 60_000, { default: 200 }),
    eagerness: { ...choice("low", "medium", "high", "auto"), description: "Of semantic_vad." },
  }),
);
const include = nullable({ type: "array", items: choice(logprobsKey) });

const session = record({
  type: choice("transcription"),
  audio: record({
    input: record({
      format: record({
        type: choice("audio/pcm", "audio/pcmu", "audio/pcma"),
        rate: integer(8000, 96_000, { default: 24_000, description: "Of audio/pcm." }),
      }),
      transcription,
      noise_reduction: noiseReduction,
      turn_detection: turnDetection,
    }),
  }),
  include,
});

const flatSession = record({
  input_audio_format: choice("pcm16", "g711_ulaw", "g711_alaw"),
  input_audio_transcription: transcription,
  input_audio_noise_reduction: noiseReduction,
  turn_detection: turnDetection,
  include,
});

const body = (schema: object) => ({ content: { "application/json": { schema } } });
const errors = errorResponses([
  "invalid_value",
  "unknown_parameter",
  "invalid_json",
  "request_too_large",
  ...counted,
]);

export const socketDocs: DocumentDecoration = {
  tags: ["Realtime"],
  summary: "Transcribe live audio over a WebSocket",
  description:
    "OpenAI's realtime transcription. `?intent=transcription` or `?model=`; the key in the Authorization header or in the " +
    "subprotocol `openai-insecure-api-key.KEY`.",
  parameters: [
    { name: "intent", in: "query", schema: choice("transcription") as object },
    { name: "model", in: "query", schema: string as object },
  ],
  responses: {
    101: { description: "A WebSocket" },
    ...errorResponses([...guarded, "upgrade_required"]),
  },
};

export const secretDocs: DocumentDecoration = {
  tags: ["Realtime"],
  summary: "Make a key for a browser",
  description: "It opens sessions with these settings, which their clients may change, until it expires.",
  requestBody: body(
    record({
      expires_after: record({ anchor: choice("created_at"), seconds: integer(10, 7200, { default: 600 }) }),
      session,
    }),
  ) as NonNullable<DocumentDecoration["requestBody"]>,
  responses: { 200: jsonResponse("The key, when it expires, and the session"), ...errors },
};

export const sessionDocs: DocumentDecoration = {
  tags: ["Realtime"],
  summary: "The same in the shape of the beta",
  requestBody: body(flatSession) as NonNullable<DocumentDecoration["requestBody"]>,
  responses: { 200: jsonResponse("The session with its key"), ...errors },
};
