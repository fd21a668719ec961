/** What a client sees when something fails: OpenAI's envelope, always, and hints on whether to try again. */
import { AppError, catalogue } from "../core/errors.ts";

/** Node's official client falls back to its own short back-off on anything above. */
const maxRetryAfterMs = 60_000;

export function errorResponse(error: AppError): Response {
  const entry = catalogue[error.code];
  const headers = new Headers({ "content-type": "application/json" });
  if (error.code === "invalid_api_key") headers.set("www-authenticate", "Bearer");
  if (error.code === "upgrade_required") headers.set("upgrade", "websocket");
  // The client is in the middle of a body that does not come. (After a 413 the connection stays open: were it closed, Node's fetch
  // would see a broken pipe instead of the answer. Bun reads over the rest.)
  if (error.code === "request_timeout") headers.set("connection", "close");
  if ("retry" in entry && !entry.retry) headers.set("x-should-retry", "false");
  else if (error.status === 503 || error.status === 429) {
    const waitMs = Math.max(1, Math.ceil((error.retryAfterSeconds ?? 1) * 1000));
    // A load passes sooner than it seems; a budget fills when it does, and nobody should wait for that in a request.
    const isPatient = error.status === 503 || waitMs <= maxRetryAfterMs;
    const toldMs = isPatient ? Math.min(waitMs, maxRetryAfterMs) : waitMs;
    headers.set("x-should-retry", String(isPatient));
    headers.set("retry-after", String(Math.ceil(toldMs / 1000)));
    headers.set("retry-after-ms", String(toldMs));
  }
  return new Response(JSON.stringify({ error }), { status: error.status, headers });
}

/**
 * For a request that no route took: method_not_allowed when its path has other methods, else not_found. (A WebSocket is asked for with
 * a GET that no GET route takes.)
 */
export function unrouted(request: Request, path: string, methods: readonly string[]): Response {
  if (methods.length === 0 || methods.includes(request.method)) {
    return errorResponse(new AppError("not_found", `Unknown URL (${request.method} ${path.slice(0, 200)})`));
  }
  const allowed = [...methods, "OPTIONS"].join(", ");
  const response = errorResponse(
    new AppError(
      "method_not_allowed",
      `Expected one of ${allowed} for the method but received ${request.method}`,
    ),
  );
  response.headers.set("allow", allowed);
  return response;
}
