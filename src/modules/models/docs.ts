/** What /docs says about this module. */
import type { DocumentDecoration } from "elysia";
import { counted, errorResponses, guarded, jsonResponse } from "../../http/openapi.ts";

export const listDocs: DocumentDecoration = {
  tags: ["Models"],
  summary: "List the names that `model` may have",
  description:
    "`data` has the installed models and the aliases of WHISPER_MODEL; `available` what could be installed.",
  responses: {
    200: jsonResponse("The installed models, aliases, and what is available"),
    ...errorResponses(guarded),
  },
};

export const showDocs: DocumentDecoration = {
  tags: ["Models"],
  summary: "Describe one of them",
  responses: {
    200: jsonResponse("The model"),
    ...errorResponses([...guarded, "model_not_found"]),
  },
};

export const pullDocs: DocumentDecoration = {
  tags: ["Models"],
  summary: "Install a model of the catalogue",
  description:
    "Downloads its weights, or goes on where an earlier download ended, and verifies them. Those who ask for the same model wait for " +
    "one download; it stops when the last of them has left.",
  parameters: [
    {
      name: "stream",
      in: "query",
      description: "Tell the progress as server-sent events.",
      schema: { type: "boolean", default: false },
    },
  ],
  responses: {
    200: {
      description:
        "The model is installed; with `stream`, events `model.pull.progress` and `model.pull.done`",
      content: {
        "application/json": { schema: { type: "object" } },
        "text/event-stream": { schema: { type: "string" } },
      },
    },
    ...errorResponses([
      ...counted,
      "insufficient_scope",
      "invalid_value",
      "model_not_found",
      "model_download_failed",
    ]),
  },
};

export const removeDocs: DocumentDecoration = {
  tags: ["Models"],
  summary: "Remove a model's file",
  description: "At once; whoever uses the model keeps it until he is done.",
  responses: {
    200: jsonResponse("The model is removed"),
    ...errorResponses([...guarded, "insufficient_scope", "model_not_found", "model_in_use"]),
  },
};
