/** /v1/audio/transcriptions/{task_id}: what becomes of recordings that were sent with `async=true`. */
import { Elysia } from "elysia";
import { hasEnded } from "../../core/task.ts";
import type { Deps } from "../../http/deps.ts";
import { callerOf } from "../../http/guard.ts";
import { listObject } from "../../http/list.ts";
import { readQuery } from "../../http/query.ts";
import type { Task } from "../../store/tasks.ts";
import { taskObject } from "../../tasks/object.ts";
import { deleteDocs, eventsDocs, findDocs, listDocs } from "./docs.ts";
import { eventFields, listDefaults, listFields, pageDefaults, pageFields } from "./schema.ts";
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
  return listObject(found.slice(0, limit).map(taskObject), found.length > limit);
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
