/** What /docs says about this module. The fields come from the schema. */
import type { DocumentDecoration } from "elysia";
import { type FieldTable, formSchema } from "../../http/form.ts";
import { counted, errorResponses, jsonResponse } from "../../http/openapi.ts";
import { ignoredFields, transcriptionFields, translationFields } from "./schema.ts";

const errors = errorResponses([
  ...counted,
  "invalid_value",
  "missing_required_parameter",
  "invalid_language_format",
  "invalid_multipart",
  "field_too_large",
  "invalid_file_format",
  "url_not_fetched",
  "no_audio_track",
  "corrupt_audio",
  "audio_too_short",
  "audio_too_long",
  "model_not_found",
  "request_timeout",
  "request_too_large",
  "unsupported_media_type",
  "server_overloaded",
  "server_shutting_down",
  "model_unavailable",
]);

const text = { schema: { type: "string" as const } };

const success: NonNullable<DocumentDecoration["responses"]>[string] = {
  description:
    "The transcript in the form that `response_format` asks for; with `stream`, server-sent events.",
  content: {
    "application/json": {
      schema: {
        type: "object",
        required: ["text"],
        properties: { text: { type: "string" } },
        description: "json; verbose_json and diarized_json carry more.",
      },
    },
    "text/plain": text,
    "text/event-stream": text,
  },
};

const describe = (summary: string, description: string, fields: FieldTable): DocumentDecoration => ({
  tags: ["Audio"],
  summary,
  description,
  requestBody: {
    required: true,
    content: { "multipart/form-data": { schema: formSchema(fields) as object } },
  },
  responses: { 200: success, 202: jsonResponse("With `async`: the task"), ...errors },
});

export const transcriptionDocs = describe(
  "Transcribe a recording",
  "Any audio file, or a video with an audio track. Fields come in any order; unknown ones are ignored.",
  { ...transcriptionFields, ...ignoredFields },
);

export const translationDocs = describe(
  "Translate a recording to English",
  "As a transcription, but the text is English. Needs a multilingual model.",
  translationFields,
);
