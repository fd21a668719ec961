/** GET /v1/models and /v1/models/{id}; POST installs one, DELETE removes it. */
import { Elysia, t } from "elysia";
import { AppError } from "../../core/errors.ts";
import type { Deps } from "../../http/deps.ts";
import type { Timeouts } from "../../http/idleness.ts";
import { modelAliases, modelOf } from "../../http/model-names.ts";
import { readQuery } from "../../http/query.ts";
import { quote } from "../../http/quote.ts";
import { eventStream } from "../../http/sse.ts";
import { report } from "../../http/trail.ts";
import type { DownloadProgress } from "../../models/download.ts";
import type { InstalledModel } from "../../models/models.ts";
import { listDocs, pullDocs, removeDocs, showDocs } from "./docs.ts";

const pullFields = { stream: t.Boolean() };

/** `requireAdmin` throws when the caller may not change what is installed. */
export const models = (deps: Deps, requireAdmin: (request: Request) => void) => {
  const { log, stopping } = deps;
  const registry = deps.models;

  // Elysia's router gives null for a malformed escape like %zz.
  const find = async (sent: string | null) => {
    const name = sent ?? "";
    const id = modelOf(name) ?? registry.defaultEngine.model.id;
    const model = name === "" ? undefined : (await registry.list()).find((installed) => installed.id === id);
    if (!model) throw notFound(name);
    return name === id ? describe(model) : aliasOf(model, name);
  };

  const pull = (id: string, request: Request, server: Timeouts): Response | Promise<Response> => {
    requireAdmin(request);
    server?.timeout(request, 0); // a download may take long before anything is to be told
    const abandoned = new AbortController();
    const signal = AbortSignal.any([request.signal, abandoned.signal, stopping]);
    if (!readQuery(pullFields, request).stream) return pullToEnd(id, signal);
    return eventStream({
      events: told(id, registry.pull(id, signal), () => find(id)),
      failed: (error) => ({ error: report(error, request, log) }),
      abandoned: () => abandoned.abort(),
    });
  };
  const pullToEnd = async (id: string, signal: AbortSignal) => {
    for await (const _ of registry.pull(id, signal));
    return Response.json(await find(id));
  };

  const remove = async (id: string, request: Request) => {
    requireAdmin(request);
    if (modelAliases.includes(id)) throw notFound(id);
    await registry.remove(id);
    return { id, object: "model", deleted: true };
  };

  return (
    new Elysia({ name: "models", prefix: "/v1/models" })
      .get(
        "",
        async () => {
          const installed = await registry.list();
          const [standard] = installed.filter(({ isDefault }) => isDefault);
          const aliases = standard ? modelAliases.map((alias) => aliasOf(standard, alias)) : [];
          return {
            object: "list",
            data: [...installed.map(describe), ...aliases],
            available: registry.available.map(({ id, bytes, memoryBytes }) => ({
              ...{ id, bytes, memory_bytes: memoryBytes },
            })),
          };
        },
        { detail: listDocs },
      )
      .get("/:id", ({ params }) => find(params.id), { detail: showDocs })
      .post("/:id", ({ params, request, server }) => pull(params.id ?? "", request, server), {
        parse: "none",
        detail: pullDocs,
      })
      .delete("/:id", ({ params, request }) => remove(params.id ?? "", request), {
        parse: "none",
        detail: removeDocs,
      })
      // An id may contain slashes; not every client encodes them.
      .get("/*", ({ params }) => find(params["*"]), { detail: { hide: true } })
      .delete("/*", ({ params, request }) => remove(params["*"] ?? "", request), {
        parse: "none",
        detail: { hide: true },
      })
  );
};

/** OpenAI's model object; what we know beyond it only under the model's own name. */
function describe(model: InstalledModel) {
  const { id, multilingual, languages, precision, bytes, memoryBytes, warning } = model;
  return {
    ...openaiObject(model, id),
    ...{ multilingual, languages, precision, bytes, memory_bytes: memoryBytes },
    installed_at: model.installedSeconds,
    loaded: model.isLoaded,
    warning,
  };
}

const aliasOf = (model: InstalledModel, name: string) => ({
  ...openaiObject(model, name),
  alias_of: model.id,
});

const openaiObject = (model: InstalledModel, id: string) => ({
  id,
  object: "model",
  created: model.installedSeconds,
  owned_by: "self-hosted",
  shutdown_date: null,
});

const notFound = (name: string) =>
  new AppError("model_not_found", `The model '${quote(name).slice(1, -1)}' does not exist`, {
    param: "model",
  });

async function* told(
  id: string,
  progress: AsyncIterable<DownloadProgress>,
  result: () => Promise<object>,
): AsyncGenerator<object> {
  for await (const { doneBytes, totalBytes, bytesPerSecond } of progress) {
    yield {
      type: "model.pull.progress",
      ...{ id, done_bytes: doneBytes, total_bytes: totalBytes },
      bytes_per_second: Math.round(bytesPerSecond),
    };
  }
  yield { type: "model.pull.done", model: await result() };
}
