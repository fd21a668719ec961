/** What operators ask: is it alive, does it take work, how is it used. */
import { Elysia } from "elysia";
import type { Deps } from "../../http/deps.ts";
import { jsonResponse } from "../../http/openapi.ts";

export const system = ({ models, store, version }: Pick<Deps, "models" | "store" | "version">) =>
  new Elysia({ name: "system" })
    // Never the bare text OK: wyoming_openai would take us for another server.
    .get(
      "/health",
      () => {
        const { id, warning } = models.defaultEngine.model;
        const loaded = models.installed.filter(({ isLoaded }) => isLoaded).map((model) => model.id);
        return { status: "ok", version, model: id, warning, loaded };
      },
      {
        detail: {
          tags: ["System"],
          security: [],
          summary: "Liveness, the models in memory, and what that of WHISPER_MODEL cannot do",
          responses: { 200: jsonResponse("The process runs") },
        },
      },
    )
    .get(
      "/ready",
      ({ set }) => {
        const { running, queued, maxRunning, maxQueued } = models.status();
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
          security: [],
          summary: "Whether another request would be taken",
          responses: {
            200: jsonResponse("Yes: ready, or degraded while Redis is away"),
            503: jsonResponse("Not now: the queue is full"),
          },
        },
      },
    );
