/** GET /metrics: for Prometheus. Its numbers tell how the server is used: where keys are needed, this needs one too. */
import { Elysia } from "elysia";
import type { Deps } from "../../http/deps.ts";
import { errorResponses, guarded } from "../../http/openapi.ts";

export function metricsPage({ models, metrics, store, version }: Deps) {
  metrics.gauge("runs_running", "Runs that have been admitted", () => models.status().running);
  metrics.gauge("runs_running_max", "Runs that may be admitted (MAX_RUNS)", () => models.status().maxRunning);
  metrics.gauge("queue_depth", "Requests that wait to be admitted", () => models.status().queued);
  metrics.gauge("queue_depth_max", "Requests that may wait (MAX_QUEUE)", () => models.status().maxQueued);
  metrics.gauge(
    "model_memory_bytes",
    "Memory that loaded models may come to take",
    () => models.memory().usedBytes,
  );
  metrics.gauge("model_memory_max_bytes", "MODEL_MEMORY; 0 = no limit", () => models.memory().maxBytes);
  metrics.gauge(
    "models_loaded",
    "Models in memory",
    () => models.installed.filter(({ isLoaded }) => isLoaded).length,
  );
  metrics.gauge("store_available", "1: the store answers", () => Number(store.isAvailable));
  metrics.info("build_info", "Always 1", { version, store: store.kind });
  return new Elysia({ name: "metrics" }).get(
    "/metrics",
    async () => new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } }),
    {
      detail: {
        tags: ["System"],
        summary: "What Prometheus collects",
        responses: {
          200: { description: "The text exposition format", content: { "text/plain": {} } },
          ...errorResponses(guarded),
        },
      },
    },
  );
}
