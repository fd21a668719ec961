/** The trail that a request leaves: its id, on every response and in every log line about it, and its one line in the log. */
import { AppError } from "../core/errors.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { requestSpan } from "../tracing.ts";
import { errorResponse } from "./errors.ts";
import { callerIdOf } from "./guard.ts";
import { limitHeaderNames, limitHeaders } from "./limits.ts";
import type { Routes } from "./routes.ts";

const ids = new WeakMap<Request, string>();

/** The id that the client sees as x-request-id. */
export const requestId = (request: Request): string => ids.get(request) ?? "";

/** Codes of what went wrong, also where a stream had begun. */
const failures = new WeakMap<Request, string>();

const upgraded = new WeakSet<Request>();

/** The request has become a WebSocket: no response is sent to it any more. */
export const markUpgraded = (request: Request): void => void upgraded.add(request);

/** The path as sent; `new URL` would refuse some requests that clients can send. */
export function pathOf(request: Request): string {
  const path = request.url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
  return path === "" ? "/" : path;
}

/** Headers that scripts in a browser may read. */
export const exposedHeaders = [
  "x-request-id",
  "openai-processing-ms",
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
  ...limitHeaderNames,
  "x-cache",
];

/** Clients can write any word as the method: a series for each of them would fill the memory. */
const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** What machines ask every few seconds: traces of that would bury the others. */
const probes = new Set(["/health", "/ready", "/metrics"]);

/** Puts a trail around a handler of requests. The one it returns never throws. */
export function trail(
  handle: (request: Request) => Response | Promise<Response>,
  { log, metrics, routes }: { readonly log: Logger; readonly metrics: Metrics; readonly routes: Routes },
): (request: Request) => Promise<Response> {
  return async (request) => {
    const id = `req_${crypto.randomUUID().replaceAll("-", "")}`;
    ids.set(request, id);
    const startedAt = performance.now();
    const elapsedMs = () => Math.round(performance.now() - startedAt);
    const path = pathOf(request);
    const { method } = request;
    const route = routes.pathOf(path) ?? "unmatched";
    const span = probes.has(route) ? null : requestSpan(request, route, id);
    const write = (status: number, bytes: number, cache?: string) => {
      span?.end(status);
      metrics.requests.inc({ route, method: knownMethods.has(method) ? method : "other", status });
      if (status !== 101) metrics.requestSeconds.observe({ route }, (performance.now() - startedAt) / 1000);
      const code = failures.get(request);
      if (code !== undefined) metrics.errors.inc({ code });
      const level = path.startsWith("/v1/") ? "info" : "debug";
      log[level]("request", {
        ...{ requestId: id, caller: callerIdOf(request), method, path: path.slice(0, 200) },
        ...{ status, code, cache, ms: elapsedMs(), bytes },
      });
    };

    let response: Response;
    try {
      response = await (span ? span.within(async () => handle(request)) : handle(request));
    } catch (error) {
      response = errorResponse(report(error, request, log));
    }
    if (upgraded.has(request)) {
      write(101, 0);
      return response; // Bun sends nothing
    }
    const headers = new Headers(response.headers);
    headers.set("x-request-id", id);
    headers.set("access-control-expose-headers", exposedHeaders.join(", "));
    for (const [name, value] of limitHeaders(request)) headers.set(name, value);
    headers.set("openai-processing-ms", String(elapsedMs()));

    const { status } = response;
    const cache = headers.get("x-cache") ?? undefined;
    if (response.body && headers.get("content-type")?.startsWith("text/event-stream")) {
      return new Response(
        counted(response.body, (bytes) => write(status, bytes, cache)),
        { status, headers },
      );
    }
    const body = await response.blob();
    write(status, body.size, cache);
    return new Response(request.method === "HEAD" || body.size === 0 ? null : body, { status, headers });
  };
}

/**
 * What a client may know of `error`; the rest goes into the log. When the client has gone, whatever fails fails because of that.
 */
export function report(error: unknown, request: Request, log: Logger): AppError {
  const shown = request.signal.aborted
    ? new AppError("request_cancelled", "The client closed the connection", { cause: error })
    : AppError.from(error);
  failures.set(request, shown.code);
  if (shown.code === "internal_error") {
    log.error("request failed", { requestId: requestId(request), error: shown.cause ?? shown });
  }
  if (shown.code === "store_unavailable") {
    log.warn("the store does not answer", { requestId: requestId(request), error: shown.cause });
  }
  return shown;
}

/** The same bytes, at the reader's pace; `ended` is called once, with their number. */
function counted(
  body: ReadableStream<Uint8Array>,
  ended: (bytes: number) => void,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let bytes = 0;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) {
        controller.close();
        ended(bytes);
      } else {
        bytes += value.length;
        controller.enqueue(value);
      }
    },
    async cancel(reason) {
      ended(bytes);
      await reader.cancel(reason);
    },
  });
}
