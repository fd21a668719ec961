/** What /docs says about this module. */
import type { DocumentDecoration } from "elysia";
import type { ErrorCode } from "../../core/errors.ts";
import { counted, errorResponses, guarded, jsonResponse } from "../../http/openapi.ts";
import { queryParameters } from "../../http/query.ts";
import { listFields } from "./schema.ts";

const string = { type: "string" as const };
const idParameter = { name: "webhook_id", in: "path", required: true, schema: string } as const;

const errors = (...codes: ErrorCode[]) => errorResponses([...guarded, ...codes]);

const body = {
  type: "object" as const,
  required: ["task_id", "url"],
  properties: {
    task_id: { ...string, description: "A task of yours, in whatever status." },
    url: { ...string, description: "http or https; its host must have public addresses only." },
    secret: { ...string, description: "Signs deliveries. Without it, one is made." },
    include_result: {
      type: "boolean" as const,
      default: false,
      description: "Whether deliveries carry the transcript, up to 16 KiB.",
    },
  },
};

export const createDocs: DocumentDecoration = {
  tags: ["Webhooks"],
  summary: "Be told when a task ends; at once when it has ended",
  requestBody: { required: true, content: { "application/json": { schema: body } } },
  responses: {
    200: jsonResponse("The webhook, with its `signing_secret`, which is not shown again"),
    ...errorResponses([
      ...counted,
      ...(["invalid_value", "missing_required_parameter", "unknown_parameter", "invalid_json"] as const),
      ...(["request_too_large", "task_not_found"] as const),
    ]),
  },
};

export const listDocs: DocumentDecoration = {
  tags: ["Webhooks"],
  summary: "List your webhooks, newest first",
  parameters: queryParameters(listFields) as NonNullable<DocumentDecoration["parameters"]>,
  responses: { 200: jsonResponse("A page of webhooks"), ...errors("invalid_value") },
};

export const findDocs: DocumentDecoration = {
  tags: ["Webhooks"],
  summary: "Describe one of them",
  parameters: [idParameter],
  responses: { 200: jsonResponse("The webhook"), ...errors("webhook_not_found") },
};

export const deleteDocs: DocumentDecoration = {
  tags: ["Webhooks"],
  summary: "Remove one, with its deliveries",
  parameters: [idParameter],
  responses: { 200: jsonResponse("What was removed"), ...errors("webhook_not_found") },
};

export const deliveriesDocs: DocumentDecoration = {
  tags: ["Webhooks"],
  summary: "What was sent, and what came of it",
  parameters: [idParameter],
  responses: {
    200: jsonResponse("The last deliveries with their attempts, newest first"),
    ...errors("webhook_not_found"),
  },
};

export const redeliverDocs: DocumentDecoration = {
  tags: ["Webhooks"],
  summary: "Deliver it again; a disabled webhook is enabled",
  parameters: [idParameter],
  responses: {
    202: jsonResponse("The new delivery"),
    ...errorResponses([...counted, "webhook_not_found", "task_not_found", "task_not_finished"]),
  },
};
