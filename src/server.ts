/** The HTTP application: a value made from its dependencies. It does not listen and reads no environment. */
import { cors } from "@elysiajs/cors";
import { Elysia } from "elysia";
import { createAddressOf } from "./http/addresses.ts";
import type { Deps } from "./http/deps.ts";
import { errorResponse, unrouted } from "./http/errors.ts";
import { createGuard, type Identify, requireScope, setCaller } from "./http/guard.ts";
import { createLimits } from "./http/limits.ts";
import { Routes } from "./http/routes.ts";
import { exposedHeaders, pathOf, report, trail } from "./http/trail.ts";
import { models } from "./modules/models/index.ts";
import { realtime } from "./modules/realtime/index.ts";
import { socketLimits } from "./modules/realtime/socket.ts";
import { docs } from "./modules/system/docs.ts";
import { system } from "./modules/system/index.ts";
import { metricsPage } from "./modules/system/metrics.ts";
import { tasks } from "./modules/tasks/index.ts";
import { transcriptions } from "./modules/transcriptions/index.ts";
import { ui } from "./modules/ui/index.ts";
import { webhooks } from "./modules/webhooks/index.ts";

type Handler = (request: Request) => Response | Promise<Response>;

const settings = {
  // One way through the app, whether by a socket or by app.handle().
  systemRouter: false,
  nativeStaticResponse: false,
  // Else Elysia looks for the path from the eleventh character of the URL on, and hosts may have shorter names.
  handler: { standardHostname: false },
  serve: {
    development: false,
    // Else a second server would share a port that is taken, silently.
    reusePort: false,
    // The upload has its own limit, and its own answer.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
  },
} as const;

type Outline = Pick<Deps, "config" | "log" | "metrics" | "store">;

/** An application without routes: each request leaves a trail, and failures become answers. */
function createApp({ log, metrics }: Outline) {
  const app = new Elysia({ ...settings, websocket: socketLimits });
  const routes = new Routes(() => app.routes);
  return (
    app
      // Elysia's type of a wrapper says less than what it passes.
      .wrap((handle) => trail(handle as unknown as Handler, { log, metrics, routes }))
      // Before the routes: Elysia applies it only to what is registered later.
      .onError(({ request, error, code }) => {
        const path = pathOf(request);
        if (code === "NOT_FOUND") return unrouted(request, path, routes.methodsOf(path));
        return errorResponse(report(error, request, log));
      })
  );
}

function createIdentify({ config, store }: Outline): Identify {
  const addressOf = createAddressOf(config.trustedProxies);
  const guard = createGuard({
    apiKeys: config.apiKeys,
    keys: store.keys,
    limits: { requests: config.rateLimits, audio: config.rateLimitsAudio },
  });
  return (request, server, authorization = request.headers.get("authorization")) =>
    guard(authorization, addressOf(request, server));
}

/** What a worker answers: whether it lives, and its metrics, by the rules of a server. */
export function createMonitor(deps: Outline & Pick<Deps, "models" | "version">) {
  const identify = createIdentify(deps);
  return createApp(deps)
    .use(system(deps))
    .onBeforeHandle(async ({ request, server }) => {
      await identify(request, server);
    })
    .use(metricsPage(deps));
}

/** `listen({ port, hostname })` on the result serves it. */
export function createServer(deps: Deps) {
  const { config, metrics, store } = deps;
  const identify = createIdentify(deps);
  const limits = createLimits(store.limiter, metrics);
  const live = realtime(deps, identify, limits);
  return (
    createApp(deps)
      .use(
        cors({
          origin: [...config.allowedOrigins],
          methods: ["GET", "POST", "DELETE"],
          exposeHeaders: exposedHeaders,
          credentials: false,
          maxAge: 3600,
        }),
      )
      .use(ui(deps))
      .use(system(deps))
      .use(docs(deps.version))
      // It tells a wrong key in a way that scripts in a browser can read.
      .use(live.socket)
      // Bound to routes, not to paths: nothing that a client writes can make the two disagree.
      .onBeforeHandle(async ({ request, server }) => {
        const caller = await identify(request, server);
        setCaller(request, caller);
        // What asks for work is counted. Looking is free, and so is taking back.
        if (request.method === "POST") await limits.admit(request, caller);
      })
      .use(metricsPage(deps))
      .use(transcriptions(deps, limits))
      .use(webhooks(deps))
      .use(tasks(deps))
      .use(models(deps, (request) => requireScope(request, "admin")))
      .use(live.secrets)
  );
}
