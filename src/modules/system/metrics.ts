/** GET /metrics: for Prometheus. Its numbers tell how the server is used: where keys are needed, this needs one too. */
import { Elysia } from "elysia";
import type { Deps } from "../../http/deps.ts";
import { errorResponses, guarded } from "../../http/openapi.ts";
import type { Counters } from "../../native.ts";

type Observed = Pick<Deps, "models" | "metrics" | "store" | "version">;

export function metricsPage(deps: Observed) {
  const { metrics } = deps;
  watchModels(deps);
  watchStore(deps);
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

function watchModels({ models, metrics }: Observed): void {
  const { gauge, total } = bound(metrics);
  gauge("runs_running", "Runs that have been admitted", () => models.status().running);
  gauge("runs_running_max", "Runs that may be admitted (MAX_RUNS)", () => models.status().maxRunning);
  gauge("queue_depth", "Requests that wait to be admitted", () => models.status().queued);
  gauge("queue_depth_max", "Requests that may wait (MAX_QUEUE)", () => models.status().maxQueued);
  gauge("models_loaded", "Models in memory", () => models.loaded.length);
  gauge("model_memory_bytes", "Memory that loaded models may come to take", () => models.memory().usedBytes);
  gauge("model_memory_max_bytes", "MODEL_MEMORY; 0 = no limit", () => models.memory().maxBytes);

  const ofEach = (read: (counters: Counters) => number) => () =>
    models.loaded.map((engine) => ({
      labels: { model: engine.model.id },
      value: read(engine.counters()),
    }));
  const slots = () => models.loaded.map(({ model }) => ({ labels: { model: model.id }, value: model.slots }));
  gauge("slots", "Windows that a loaded model can decode together (SLOTS)", slots, ["model"]);
  gauge(
    "slots_in_use",
    "Those that are under way",
    ofEach(({ slotsInUse }) => slotsInUse),
    ["model"],
  );
  total(
    "encoder_windows_total",
    "Windows (30 s each) that were encoded",
    ofEach(({ windows }) => windows),
    ["model"],
  );
  total(
    "encoder_seconds_total",
    "Time of that",
    ofEach(({ encodingUs }) => encodingUs / 1e6),
    ["model"],
  );
  total(
    "decoder_steps_total",
    "Passes of the decoder, each for all windows",
    ofEach(({ steps }) => steps),
    ["model"],
  );
  total(
    "decoder_rows_total",
    "Tokens that these passes took in",
    ofEach(({ rows }) => rows),
    ["model"],
  );
  total(
    "decoder_seconds_total",
    "Time of that",
    ofEach(({ decodingUs }) => decodingUs / 1e6),
    ["model"],
  );
}

const jobKinds = ["transcription", "delivery"] as const;

function watchStore({ store, metrics, version }: Observed): void {
  const { gauge } = bound(metrics);
  metrics.info("build_info", "Always 1", { version, store: store.kind, bun: Bun.version });
  gauge("store_available", "1: the store answers", () => Number(store.isAvailable));
  gauge(
    "jobs",
    "Tasks (kind transcription) and deliveries of webhooks that wait and run, of all processes on the store",
    async () => {
      const counts = await Promise.all(jobKinds.map((kind) => store.jobs.count(kind)));
      return jobKinds.flatMap((kind, index) =>
        (["waiting", "running"] as const).map((state) => ({
          labels: { kind, state },
          value: counts[index]?.[state] ?? 0,
        })),
      );
    },
    ["kind", "state"],
  );
  gauge(
    "cache_entries",
    "Results that are kept in the store",
    async () => (await store.cache.size()).entries,
  );
  gauge("cache_bytes", "Their size", async () => (await store.cache.size()).bytes);
}

const bound = (metrics: Deps["metrics"]) => ({
  gauge: metrics.gauge.bind(metrics),
  total: metrics.total.bind(metrics),
});
