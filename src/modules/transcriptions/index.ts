/** POST /v1/audio/transcriptions and /v1/audio/translations. */
import { Elysia } from "elysia";
import { render, type StreamView, streamView } from "../../core/formats.ts";
import type { Options } from "../../core/options.ts";
import { collect, type TranscriptEvent, transcriptOf } from "../../core/transcript.ts";
import { readCacheControl } from "../../http/cache-control.ts";
import type { Deps } from "../../http/deps.ts";
import { wireName } from "../../http/form.ts";
import { eventStream } from "../../http/sse.ts";
import { report, requestId } from "../../http/trail.ts";
import { receiveUpload } from "../../http/upload.ts";
import { transcribe } from "../../transcribe.ts";
import { transcriptionDocs, translationDocs } from "./docs.ts";
import { readRequest } from "./request.ts";
import { transcriptionFields } from "./schema.ts";

/** The part of Bun's server that is needed here; app.handle() has none. */
type Timeouts = { timeout(request: Request, seconds: number): void } | null;

const wantedFields = new Set(Object.keys(transcriptionFields).map(wireName));

export const transcriptions = (deps: Deps) =>
  new Elysia({ name: "transcriptions", prefix: "/v1/audio" })
    .post("/transcriptions", ({ request, server }) => answer(deps, "transcribe", request, server), {
      parse: "none",
      detail: transcriptionDocs,
    })
    .post("/translations", ({ request, server }) => answer(deps, "translate", request, server), {
      parse: "none",
      detail: translationDocs,
    });

/** How long a client may leave an answer unread, or go on with a body that was refused. */
const idleSeconds = 120;

async function answer(
  deps: Deps,
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
    const { events, view, options, stream } = await start(deps, task, request, signal);
    const headers = { "x-cache": events.cache };
    if (stream) {
      return eventStream({
        headers,
        events: payloads(events, streamView(view, options), () =>
          deps.log.info("stream corrected", { requestId: requestId(request) }),
        ),
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

/** Resolves when the run has begun. The file is gone by then: the engine has decoded it. */
async function start(deps: Deps, task: Options["task"], request: Request, signal: AbortSignal) {
  const { config, engine } = deps;
  const limits = {
    directory: config.uploadDir,
    maxFileBytes: config.maxFileSize,
    stallTimeoutMs: config.uploadTimeoutMs,
  };
  await using upload = await receiveUpload(request, limits, (field) => wantedFields.has(field));
  const { options, view, stream } = readRequest(task, upload.fields, engine.model, deps.hasVad());
  const events = await transcribe(deps, {
    file: upload.file,
    options,
    priority: "request",
    cache: readCacheControl(request.headers.get("cache-control")),
    signal,
    requestId: requestId(request),
  });
  return { events, view, options, stream };
}

async function* payloads(
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
