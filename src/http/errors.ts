/** What a client sees when something fails: OpenAI's envelope, always, and hints on whether to try again. */
import { AppError, catalogue } from "../core/errors.ts";

/** Node's official client falls back to its own short back-off on anything above. */
const maxRetryAfterSeconds = 60;

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
    const seconds = Math.min(Math.max(Math.ceil(error.retryAfterSeconds ?? 1), 1), maxRetryAfterSeconds);
    headers.set("x-should-retry", "true");
    headers.set("retry-after", String(seconds));
    headers.set("retry-after-ms", String(seconds * 1000));
  }
  return new Response(JSON.stringify({ error }), { status: error.status, headers });
}

/**
 * For a request that no route took: method_not_allowed when its path exists, else not_found. (A WebSocket is asked for with a GET
 * that no GET route takes.)
 */
export function unrouted(
  request: Request,
  path: string,
  routes: readonly { readonly method: string; readonly path: string }[],
): Response {
  const methods = routes
    .filter((route) => route.method !== "OPTIONS" && matches(route.path, path))
    .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
  if (methods.length === 0 || methods.includes(request.method)) {
    return errorResponse(new AppError("not_found", `Unknown URL (${request.method} ${path.slice(0, 200)})`));
  }
  const allowed = [...new Set(methods), "OPTIONS"].join(", ");
  const response = errorResponse(
    new AppError(
      "method_not_allowed",
      `Expected one of ${allowed} for the method but received ${request.method}`,
    ),
  );
  response.headers.set("allow", allowed);
  return response;
}

function matches(route: string, path: string): boolean {
  const pattern = route
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part === "*" ? ".+" : RegExp.escape(part)))
    .join("/");
  return new RegExp(`^${pattern}/?$`).test(path);
}
