/** What operators ask: is it alive, does it take work, how is it used. */
import { Elysia } from "elysia";
import type { Deps } from "../../http/deps.ts";
import { jsonResponse } from "../../http/openapi.ts";
import { docs } from "./docs.ts";

export const system = ({ engine, store, version }: Pick<Deps, "engine" | "store" | "version">) =>
  new Elysia({ name: "system" })
    // Never the bare text OK: wyoming_openai would take us for another server.
    .get(
      "/health",
      () => ({ status: "ok", version, model: engine.model.id, warning: engine.model.warning }),
      {
        detail: {
          tags: ["System"],
          summary: "Liveness, and what the loaded model cannot do",
          responses: { 200: jsonResponse("The process runs") },
        },
      },
    )
    .get(
      "/ready",
      ({ set }) => {
        const { running, queued, maxRunning, maxQueued } = engine.status();
        const takesWork = running < maxRunning || queued < maxQueued;
        set.status = takesWork ? 200 : 503;
        // without its store it still transcribes
        const ready = store.isAvailable ? "ready" : "degraded";
        return {
          status: takesWork ? ready : "overloaded",
          store: store.isAvailable ? "available" : "unavailable",
          running,
          queued,
          max_running: maxRunning,
          max_queued: maxQueued,
        };
      },
      {
        detail: {
          tags: ["System"],
          summary: "Whether another request would be taken",
          responses: {
            200: jsonResponse("Yes: ready, or degraded while Redis is away"),
            503: jsonResponse("Not now: the queue is full"),
          },
        },
      },
    )
    .use(docs(version));
