/** POST /v1/audio/transcriptions and /v1/audio/translations. */
import { Elysia } from "elysia";
import { render, type StreamView, streamView } from "../../core/formats.ts";
import type { Options } from "../../core/options.ts";
import { collect, type TranscriptEvent, transcriptOf } from "../../core/transcript.ts";
import { readCacheControl } from "../../http/cache-control.ts";
import type { Deps } from "../../http/deps.ts";
import { fetchRecording } from "../../http/fetch-recording.ts";
import { invalid, wireName } from "../../http/form.ts";
import { callerOf } from "../../http/guard.ts";
import { idleSeconds, type Timeouts } from "../../http/idleness.ts";
import type { Limits } from "../../http/limits.ts";
import { modelOf } from "../../http/model-names.ts";
import { eventStream } from "../../http/sse.ts";
import { report, requestId } from "../../http/trail.ts";
import { receiveUpload } from "../../http/upload.ts";
import type { Task } from "../../store/tasks.ts";
import { taskObject } from "../../tasks/object.ts";
import { transcribe } from "../../transcribe.ts";
import { transcriptionDocs, translationDocs } from "./docs.ts";
import { readRequest } from "./request.ts";
import { transcriptionFields } from "./schema.ts";

const wantedFields = new Set(Object.keys(transcriptionFields).map(wireName));

export const transcriptions = (deps: Deps, limits: Limits) =>
  new Elysia({ name: "transcriptions", prefix: "/v1/audio" })
    .post("/transcriptions", ({ request, server }) => answer(deps, limits, "transcribe", request, server), {
      parse: "none",
      detail: transcriptionDocs,
    })
    .post("/translations", ({ request, server }) => answer(deps, limits, "translate", request, server), {
      parse: "none",
      detail: translationDocs,
    });

async function answer(
  deps: Deps,
  limits: Limits,
  task: Options["task"],
  request: Request,
  server: Timeouts,
): Promise<Response> {
  // Bun would cut a connection that is quiet for a while: the upload watches its own pace, and a run may take minutes.
  server?.timeout(request, 0);
  const limitIdleness = () => server?.timeout(request, idleSeconds);
  const abandoned = new AbortController();
  const signal = AbortSignal.any([request.signal, abandoned.signal]);
  try {
    const started = await start(deps, limits, task, request, signal);
    if ("id" in started) return accepted(started, request);
    const { events, view, options, stream } = started;
    const headers = { "x-cache": events.cache };
    if (stream) {
      return eventStream({
        headers,
        events: payloads(events, streamView(view, options), () => {
          deps.metrics.correctedStreams.inc();
          deps.log.info("stream corrected", { requestId: requestId(request) });
        }),
        failed: (error) => ({ error: report(error, request, deps.log) }),
        abandoned: () => abandoned.abort(),
        pulled: limitIdleness,
      });
    }
    const { contentType, body } = render(await collect(events), view);
    return new Response(body, { headers: { ...headers, "content-type": contentType } });
  } finally {
    limitIdleness();
  }
}

/** Resolves when the run has begun, or a task is made. The file is gone by then: the engine has decoded it, or the task has it. */
async function start(
  deps: Deps,
  limits: Limits,
  task: Options["task"],
  request: Request,
  signal: AbortSignal,
) {
  const { config, models } = deps;
  const uploadLimits = {
    directory: config.uploadDir,
    maxFileBytes: config.maxFileSize,
    stallTimeoutMs: config.uploadTimeoutMs,
  };
  await using upload = await receiveUpload(request, uploadLimits, (field) => wantedFields.has(field));
  const [name = ""] = upload.fields.get("model") ?? [];
  const model = await models.find(modelOf(name));
  const form = readRequest(task, upload.fields, model, deps.hasVad());
  const { options, view, stream, watcher } = form;
  const isTask = form.async ?? prefersTask(request);
  if (isTask && stream) throw invalid("stream", "false for a task", "true");
  if (!isTask && watcher) throw invalid("webhook_url", "async=true", "a request that waits for its answer");
  await using fetched =
    form.url === null ? null : await fetchRecording(form.url, deps.outbound, uploadLimits, signal);
  const file = fetched ?? upload.file;
  if (!file) throw new Error("The upload has neither file nor url");
  if (isTask) {
    const { bytes, sha256, name: filename } = file;
    const path = await file.path();
    const { id: caller, limits } = callerOf(request);
    // The upload is removed when this returns.
    return await deps.tasks.submit({
      ...{ path, bytes, sha256, filename, caller, limits, model: model.id, options, view, watcher },
      requestId: requestId(request),
    });
  }
  const events = await transcribe(deps, {
    model: model.id,
    file,
    options,
    priority: "request",
    cache: readCacheControl(request.headers.get("cache-control")),
    signal,
    requestId: requestId(request),
    ...limits.audio(callerOf(request), request),
  });
  return { events, view, options, stream };
}

/** RFC 7240. */
const prefersTask = (request: Request) =>
  /(^|,)\s*respond-async\s*($|[;,])/i.test(request.headers.get("prefer") ?? "");

function accepted(task: Task, request: Request): Response {
  const headers = new Headers({ location: `/v1/audio/transcriptions/${task.id}` });
  if (prefersTask(request)) headers.set("preference-applied", "respond-async");
  return Response.json(taskObject(task), { status: 202, headers });
}

/** What a stream of `stream` carries, and last the whole. */
export async function* payloads(
  events: AsyncIterable<TranscriptEvent>,
  stream: StreamView,
  onCorrected: () => void,
): AsyncGenerator<object> {
  const seen: TranscriptEvent[] = [];
  for await (const event of events) {
    if (event.type === "start" || event.type === "segment" || event.type === "done") seen.push(event);
    yield* stream.event(event);
  }
  yield* stream.done(transcriptOf(seen));
  if (stream.isCorrected) onCorrected();
}
