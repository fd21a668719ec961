/** /v1/audio/transcriptions/{task_id}: what becomes of recordings that were sent with `async=true`. */
import { Elysia } from "elysia";
import { AppError } from "../../core/errors.ts";
import { hasEnded } from "../../core/task.ts";
import type { Deps } from "../../http/deps.ts";
import { callerOf } from "../../http/guard.ts";
import { readQuery } from "../../http/query.ts";
import { eventStream } from "../../http/sse.ts";
import { report } from "../../http/trail.ts";
import type { Task } from "../../store/tasks.ts";
import { taskObject } from "../../tasks/object.ts";
import { deleteDocs, eventsDocs, findDocs, listDocs } from "./docs.ts";
import { eventFields, listDefaults, listFields, pageDefaults, pageFields } from "./schema.ts";

/** The part of Bun's server that is needed here; app.handle() has none. */
type Timeouts = { timeout(request: Request, seconds: number): void } | null;

/** How long a client may leave a stream unread. */
const idleSeconds = 120;

export const tasks = (deps: Deps) => {
  // Elysia's router gives null for a malformed escape like %zz.
  const find = (request: Request, id: string | null) => deps.tasks.find(callerOf(request).id, id ?? "");

  return new Elysia({ name: "tasks", prefix: "/v1/audio/transcriptions" })
    .get("", ({ request }) => list(deps, request), { detail: listDocs })
    .get(
      "/:task_id",
      async ({ request, params }) => show(deps, await find(request, params.task_id), request),
      {
        detail: findDocs,
      },
    )
    .get(
      "/:task_id/events",
      async ({ request, params, server }) => {
        const { after = 0 } = readQuery(eventFields, request);
        return stream(deps, await find(request, params.task_id), after, request, server);
      },
      { detail: eventsDocs },
    )
    .delete(
      "/:task_id",
      async ({ request, params }) => {
        const task = await find(request, params.task_id);
        if (!hasEnded(task.status)) return taskObject((await deps.tasks.cancel(task.id)) ?? task);
        await deps.tasks.remove(task.id);
        return { id: task.id, task_id: task.id, object: "transcription.task.deleted", deleted: true };
      },
      { detail: deleteDocs },
    );
};

async function list(deps: Deps, request: Request) {
  const { limit = listDefaults.limit, ...page } = readQuery(listFields, request);
  const found = await deps.tasks.list(callerOf(request).id, { ...page, limit: limit + 1 });
  const data = found.slice(0, limit).map(taskObject);
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: found.length > limit,
  };
}

async function show(deps: Deps, task: Task, request: Request): Promise<Response> {
  const { page, pageSize, responseFormat } = { ...pageDefaults, ...readQuery(pageFields, request) };
  if (responseFormat !== undefined) {
    const { contentType, body } = await deps.tasks.rendered(task, responseFormat);
    return new Response(body, { headers: { "content-type": contentType } });
  }
  const total = task.segments;
  const first = (page - 1) * pageSize;
  // No more than the record told of, though more may have come since.
  const count = Math.max(0, Math.min(pageSize, total - first));
  return Response.json({
    ...taskObject(task),
    segments: count === 0 ? [] : await deps.tasks.segments(task, first, count),
    page,
    page_size: pageSize,
    total,
    has_more: first + count < total,
  });
}

function stream(deps: Deps, task: Task, after: number, request: Request, server: Timeouts): Response {
  const abandoned = new AbortController();
  const { stopping, log } = deps;
  const signal = AbortSignal.any([request.signal, abandoned.signal, stopping]);
  async function* events() {
    yield* deps.tasks.follow(task, after, signal);
    if (stopping.aborted) throw new AppError("server_shutting_down", "The server is shutting down");
  }
  return eventStream({
    events: events(),
    failed: (error) => ({ error: report(error, request, log) }),
    abandoned: () => abandoned.abort(),
    pulled: () => server?.timeout(request, idleSeconds),
  });
}
