/** GET /v1/models and /v1/models/{id}. */
import { Elysia } from "elysia";
import type { ModelInfo } from "../../engine/engine.ts";
import type { Deps } from "../../http/deps.ts";
import { modelAliases, requireModel } from "../../http/model-names.ts";
import { errorResponses, jsonResponse } from "../../http/openapi.ts";

export const models = ({ engine }: Pick<Deps, "engine">) => {
  // Elysia's router gives null for a malformed escape like %zz.
  const find = (sent: string | null) => {
    const id = sent ?? "";
    requireModel(engine.model, id);
    return describe(engine.model, id);
  };
  return (
    new Elysia({ name: "models", prefix: "/v1/models" })
      .get(
        "",
        () => ({
          object: "list",
          data: [engine.model.id, ...modelAliases].map((id) => describe(engine.model, id)),
        }),
        {
          detail: {
            tags: ["Models"],
            summary: "List the names that `model` may have",
            responses: {
              200: jsonResponse("The loaded model and its aliases"),
              ...errorResponses(["invalid_api_key", "store_unavailable"]),
            },
          },
        },
      )
      .get("/:id", ({ params }) => find(params.id), {
        detail: {
          tags: ["Models"],
          summary: "Describe one of them",
          responses: {
            200: jsonResponse("The model"),
            ...errorResponses(["invalid_api_key", "store_unavailable", "model_not_found"]),
          },
        },
      })
      // An id may contain slashes; not every client encodes them.
      .get("/*", ({ params }) => find(params["*"]), { detail: { hide: true } })
  );
};

/** OpenAI's model object; what we know beyond it only under the model's own name. */
function describe(model: ModelInfo, id: string) {
  const entry = {
    id,
    object: "model",
    created: model.createdSeconds,
    owned_by: "self-hosted",
    shutdown_date: null,
  };
  if (id !== model.id) return { ...entry, alias_of: model.id };
  const { multilingual, languages, precision, bytes, warning } = model;
  return { ...entry, multilingual, languages, precision, bytes, warning };
}
