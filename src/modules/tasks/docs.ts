/** What /docs says about this module. */
import type { DocumentDecoration } from "elysia";
import type { ErrorCode } from "../../core/errors.ts";
import { errorResponses, guarded, jsonResponse } from "../../http/openapi.ts";
import { queryParameters } from "../../http/query.ts";
import { deleteFields, eventFields, listFields, pageFields } from "./schema.ts";

const idParameter = {
  ...{ name: "task_id", in: "path", required: true },
  schema: { type: "string" as const },
};

const errors = (...codes: ErrorCode[]) => errorResponses([...guarded, "task_not_found", ...codes]);

type Parameters = NonNullable<DocumentDecoration["parameters"]>;

export const listDocs: DocumentDecoration = {
  tags: ["Tasks"],
  summary: "List your tasks, newest first",
  parameters: queryParameters(listFields) as Parameters,
  responses: {
    200: jsonResponse("A page of tasks, and how many of yours may wait or run"),
    ...errorResponses([...guarded, "invalid_value"]),
  },
};

export const findDocs: DocumentDecoration = {
  tags: ["Tasks"],
  summary: "How far a task is, and a page of its segments; or its transcript",
  parameters: [idParameter, ...queryParameters(pageFields)] as Parameters,
  responses: {
    200: jsonResponse("The task and the segments of a page; with `response_format`, the transcript"),
    ...errors("invalid_value", "task_not_finished"),
  },
};

export const eventsDocs: DocumentDecoration = {
  tags: ["Tasks"],
  summary: "Follow a task",
  parameters: [idParameter, ...queryParameters(eventFields)] as Parameters,
  responses: {
    200: {
      description: "The events of `stream=true`, and those of the task",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
    ...errors("invalid_value", "rate_limit_exceeded"),
  },
};

export const deleteDocs: DocumentDecoration = {
  tags: ["Tasks"],
  summary: "Cancel a task, or remove one that has ended",
  parameters: [idParameter, ...queryParameters(deleteFields)] as Parameters,
  responses: { 200: jsonResponse("The cancelled task, or what was removed"), ...errors("invalid_value") },
};
