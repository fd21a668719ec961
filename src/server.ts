/** The HTTP application: a value made from its dependencies. It does not listen and reads no environment. */
import { cors } from "@elysiajs/cors";
import { Elysia } from "elysia";
import type { Deps } from "./http/deps.ts";
import { errorResponse, unrouted } from "./http/errors.ts";
import { createGuard } from "./http/guard.ts";
import { exposedHeaders, pathOf, report, trail } from "./http/trail.ts";
import { models } from "./modules/models/index.ts";
import { realtime } from "./modules/realtime/index.ts";
import { socketLimits } from "./modules/realtime/socket.ts";
import { system } from "./modules/system/index.ts";
import { transcriptions } from "./modules/transcriptions/index.ts";

type Handler = (request: Request) => Response | Promise<Response>;

/** `listen({ port, hostname })` on the result serves it. */
export function createServer(deps: Deps) {
  const { config, log } = deps;
  const guard = createGuard(config.apiKeys);
  const live = realtime(deps, guard);
  const app = new Elysia({
    // One way through the app, whether by a socket or by app.handle().
    systemRouter: false,
    nativeStaticResponse: false,
    // Else Elysia looks for the path from the eleventh character of the URL on, and hosts may have shorter names.
    handler: { standardHostname: false },
    websocket: socketLimits,
    serve: {
      development: false,
      // Else a second server would share a port that is taken, silently.
      reusePort: false,
      // The upload has its own limit, and its own answer.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    },
  });
  return (
    app
      // Elysia's type of a wrapper says less than what it passes.
      .wrap((handle) => trail(handle as unknown as Handler, log))
      .use(
        cors({
          origin: [...config.allowedOrigins],
          methods: ["GET", "POST", "DELETE"],
          exposeHeaders: exposedHeaders,
          credentials: false,
          maxAge: 3600,
        }),
      )
      // Before the modules: Elysia applies it only to what is registered later.
      .onError(({ request, error, code }) => {
        if (code === "NOT_FOUND") return unrouted(request, pathOf(request), app.routes);
        return errorResponse(report(error, request, log));
      })
      .use(system(deps))
      // It tells a wrong key in a way that scripts in a browser can read.
      .use(live.socket)
      // Bound to routes, not to paths: nothing that a client writes can make the two disagree.
      .onBeforeHandle(({ request }) => guard(request.headers.get("authorization")))
      .use(transcriptions(deps))
      // every key may do everything
      .use(models(deps, () => {}))
      .use(live.secrets)
  );
}
