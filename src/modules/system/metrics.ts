/** GET /metrics: for Prometheus. Its numbers tell how the server is used: where keys are needed, this needs one too. */
import { Elysia } from "elysia";
import type { Deps } from "../../http/deps.ts";
import { errorResponses } from "../../http/openapi.ts";

export function metricsPage({ engine, metrics, store, version }: Deps) {
  metrics.gauge("runs_running", "Runs that have been admitted", () => engine.status().running);
  metrics.gauge("runs_running_max", "Runs that may be admitted (MAX_RUNS)", () => engine.status().maxRunning);
  metrics.gauge("queue_depth", "Requests that wait to be admitted", () => engine.status().queued);
  metrics.gauge("queue_depth_max", "Requests that may wait (MAX_QUEUE)", () => engine.status().maxQueued);
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
          ...errorResponses(["invalid_api_key"]),
        },
      },
    },
  );
}
