/** Pieces of the API's description that every module needs. */
import { catalogue, type ErrorCode } from "../core/errors.ts";

const errorSchema = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: {
        message: { type: "string" },
        type: { type: "string" },
        param: { type: "string", nullable: true, description: "The field that it is about." },
        code: { type: "string", description: "What clients switch on." },
      },
    },
  },
};

/** What the guard may answer before any route behind it. */
export const guarded = ["invalid_api_key", "store_unavailable"] as const satisfies ErrorCode[];
/** The same of a POST, which is counted. */
export const counted = [...guarded, "rate_limit_exceeded"] as const satisfies ErrorCode[];

/** Responses by status for the errors that a route can answer, beside those that every route can. */
export function errorResponses(codes: readonly ErrorCode[]) {
  const byStatus = Map.groupBy([...codes, "internal_error" as const], (code) => catalogue[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      String(status),
      { description: group.join(", "), content: { "application/json": { schema: errorSchema } } },
    ]),
  );
}

/** A successful response of JSON. */
export const jsonResponse = (description: string, schema: object = { type: "object" }) => ({
  description,
  content: { "application/json": { schema } },
});
