/** /v1/audio/transcriptions/{task_id}: what becomes of recordings that were sent with `async=true`. */
import { Elysia } from "elysia";
import type { Deps } from "../../http/deps.ts";
import { callerOf } from "../../http/guard.ts";
import { listObject } from "../../http/list.ts";
import { readQuery } from "../../http/query.ts";
import type { Task } from "../../store/tasks.ts";
import { taskObject } from "../../tasks/object.ts";
import { deleteDocs, eventsDocs, findDocs, listDocs } from "./docs.ts";
import { deleteFields, eventFields, listDefaults, listFields, pageDefaults, pageFields } from "./schema.ts";
import { TaskStreams } from "./streams.ts";

export const tasks = (deps: Deps) => {
  const streams = new TaskStreams(deps);
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
        return streams.open(await find(request, params.task_id), after, request, server);
      },
      { detail: eventsDocs },
    )
    .delete(
      "/:task_id",
      async ({ request, params }) => {
        const { remove } = readQuery(deleteFields, request);
        return end(deps, await find(request, params.task_id), remove);
      },
      { detail: deleteDocs },
    );
};

/**
 * Cancels what goes on, and removes what was completed or has failed, unless `remove` says which of the two is meant. A cancellation
 * that is asked for again, since its answer was lost or was a 503, is finished and answered again: it never removes.
 */
async function end(deps: Deps, task: Task, remove?: boolean): Promise<object> {
  const { id } = task;
  const isOver = task.status === "completed" || task.status === "failed";
  const ended = isOver ? task : ((await deps.tasks.cancel(id)) ?? task);
  if (!(remove ?? isOver)) return taskObject(ended);
  await deps.tasks.remove(id);
  return { id, task_id: id, object: "transcription.task.deleted", deleted: true };
}

async function list(deps: Deps, request: Request) {
  const { limit = listDefaults.limit, ...page } = readQuery(listFields, request);
  const found = await deps.tasks.list(callerOf(request).id, { ...page, limit: limit + 1 });
  // what a client has to know before it offers tasks: 0 = none are taken
  const bounds = { max_active: deps.config.maxTasksPerCaller };
  return { ...listObject(found.slice(0, limit).map(taskObject), found.length > limit), ...bounds };
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
