/** /metrics, read by a parser of Prometheus' text format. */
import { expect, test } from "bun:test";
import parse from "parse-prometheus-text-format";
import { Metrics } from "../../src/metrics.ts";
import { FakeEngine } from "../helpers/engine.ts";
import { form, type TestServer, testServer } from "../helpers/server.ts";
import { memoryStore } from "../helpers/stores.ts";
import { at, ended, submit } from "../helpers/tasks.ts";

type Family = ReturnType<typeof parse>[number];

async function families(server: TestServer): Promise<Map<string, Family>> {
  const response = await server.fetch("/metrics");
  expect(response.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  return new Map(parse(await response.text()).map((family) => [family.name, family]));
}

/** The value of a series; its labels are all of `labels`. */
const sampleOf = (found: Map<string, Family>, name: string, labels: Record<string, string> = {}) =>
  found.get(name)?.metrics.find((sample) => Bun.deepEquals(sample.labels ?? {}, labels))?.value;

test("requests are counted by their declared route, so that no client can make new series", async () => {
  await using server = await testServer();
  for (const path of ["/v1/models/a", "/v1/models/b/c", "/nothing", "/v1/audio/transcriptions/"]) {
    await server.fetch(path);
  }
  await server.fetch("/health", { method: "PROPFIND" });
  const found = await families(server);
  const series = found.get("whisper_http_requests_total")?.metrics.map(({ labels }) => labels);
  expect(series).toContainEqual({ route: "/v1/models/:id", method: "GET", status: "404" });
  expect(series).toContainEqual({ route: "/v1/models/*", method: "GET", status: "404" });
  expect(series).toContainEqual({ route: "unmatched", method: "GET", status: "404" });
  expect(series).toContainEqual({ route: "/health", method: "other", status: "405" });
});

test("errors are counted by their code, also those of streams that had begun", async () => {
  await using server = await testServer();
  await server.fetch("/v1/audio/transcriptions", form({ temperature: "2" }));
  server.engine.failure = new Error("broken");
  await (await server.fetch("/v1/audio/transcriptions", form({ stream: "true" }))).text();
  const found = await families(server);
  const counted = ["invalid_value", "internal_error", "invalid_api_key"].map((code) =>
    sampleOf(found, "whisper_http_errors_total", { code }),
  );
  expect(counted).toEqual(["1", "1", "0"]);
});

test("a whole answer and a stream are timed until their last byte", async () => {
  await using server = await testServer();
  await (await server.fetch("/v1/audio/transcriptions", form())).text();
  const stream = await server.fetch("/v1/audio/transcriptions", form({ stream: "true" }));
  const before = await families(server);
  await stream.text();
  const after = await families(server);
  const labels = { route: "/v1/audio/transcriptions", method: "POST", status: "200" };
  expect(sampleOf(before, "whisper_http_requests_total", labels)).toBe("1");
  expect(sampleOf(after, "whisper_http_requests_total", labels)).toBe("2");
});

test("states are those of the moment", async () => {
  const engine = new FakeEngine(undefined, [], { running: 3, queued: 2, maxRunning: 4, maxQueued: 8 });
  await using server = await testServer({ engine });
  const found = await families(server);
  expect(sampleOf(found, "whisper_runs_running")).toBe("3");
  expect(sampleOf(found, "whisper_runs_running_max")).toBe("4");
  expect(sampleOf(found, "whisper_queue_depth")).toBe("2");
  expect(sampleOf(found, "whisper_queue_depth_max")).toBe("8");
  expect(sampleOf(found, "whisper_build_info", { version: "1.2.3", store: "sqlite", bun: Bun.version })).toBe(
    "1",
  );
  expect(sampleOf(found, "whisper_slots", { model: "test-model" })).toBe("4");
  expect(sampleOf(found, "whisper_slots_in_use", { model: "test-model" })).toBe("2");
  expect(sampleOf(found, "whisper_encoder_seconds_total", { model: "test-model" })).toBe("2.5");
});

test("transcripts are counted by where they come from", async () => {
  await using server = await testServer();
  const ask = (headers: Record<string, string> = {}) =>
    server.fetch("/v1/audio/transcriptions", { ...form(), headers });
  const counted = async () => {
    const found = await families(server);
    return ["miss", "hit", "bypass", "join"].map((outcome) =>
      sampleOf(found, "whisper_cache_results_total", { outcome }),
    );
  };
  expect(await counted()).toEqual(["0", "0", "0", "0"]);
  await (await ask()).text();
  const kept = async () => sampleOf(await families(server), "whisper_cache_entries");
  while ((await kept()) !== "1") await Bun.sleep(1);
  await (await ask()).text();
  await (await ask({ "cache-control": "no-store" })).text();
  expect(await counted()).toEqual(["1", "1", "1", "0"]);
  expect(Number(sampleOf(await families(server), "whisper_cache_bytes"))).toBeGreaterThan(100);
});

test("a refusal is counted by the budget whose end it was", async () => {
  const minute = { name: "minute", capacity: 2, windowMs: 60_000 };
  const audio = { name: "audio-hour", capacity: 1, windowMs: 3_600_000 };
  await using server = await testServer({
    config: { rateLimits: [minute], rateLimitsAudio: [audio], maxTasksPerCaller: 0 },
  });
  const ask = async (fields: Record<string, string> = {}) =>
    (await server.fetch("/v1/audio/transcriptions", form(fields))).status;
  expect(await ask({ async: "true" })).toBe(429);
  await ask(); // a recording longer than the budget takes all of it
  expect(await ask()).toBe(429);
  const found = await families(server);
  const counted = ["requests", "audio", "tasks", "sessions", "queue"].map((budget) =>
    sampleOf(found, "whisper_limit_refusals_total", { budget }),
  );
  expect(counted).toEqual(["1", "0", "1", "0", "0"]);
});

test("tasks are counted when they are taken and when they end, and those that wait are seen", async () => {
  await using server = await testServer();
  const jobs = async (state: string) =>
    sampleOf(await families(server), "whisper_jobs", { kind: "transcription", state });
  const done = await submit(server);
  const cancelled = await submit(server, { language: "de" });
  expect(await jobs("waiting")).toBe("2");
  await server.fetch(at(cancelled), { method: "DELETE" });
  server.tasks.start(1);
  await ended(server, done);
  await server.fetch(at(cancelled), { method: "DELETE" }); // it has been cancelled already
  const found = await families(server);
  expect(sampleOf(found, "whisper_tasks_submitted_total")).toBe("2");
  const text = await (await server.fetch("/metrics")).text();
  for (const [status, count] of Object.entries({ completed: 1, cancelled: 1, failed: 0 }))
    expect(text).toContain(`whisper_task_duration_seconds_count{status="${status}"} ${count}\n`);
});

test.each([
  ["fails", () => Promise.reject(new Error("away"))],
  ["does not answer", () => new Promise<never>(() => {})],
])("a state that %s is missing, and the rest is there", async (_, count) => {
  const store = memoryStore();
  const jobs = Object.assign(Object.create(store.jobs), { count });
  const cache = Object.assign(Object.create(store.cache), { size: count });
  await using server = await testServer({ store: Object.assign(Object.create(store), { jobs, cache }) });
  const text = await (await server.fetch("/metrics")).text();
  expect(text).not.toMatch(/^whisper_(jobs|cache_bytes)\b/m);
  expect(text).toMatch(/^whisper_store_available 1$/m);
});

test("a blocked event loop shows, and nothing that Bun does not know", async () => {
  const metrics = new Metrics({ process: true });
  const lag = async () => Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(await metrics.text())?.[1]);
  while (!((await lag()) > 0)) await Bun.sleep(20); // it has begun to measure
  const until = performance.now() + 300;
  while (performance.now() < until);
  await Bun.sleep(50);
  expect(await lag()).toBeGreaterThan(0.25);
  const text = await metrics.text();
  const [, memory] = /^process_resident_memory_bytes (\S+)$/m.exec(text) ?? [];
  expect(Number(memory)).toBeGreaterThan(1e7);
  expect(text).not.toMatch(/^(nodejs_active|nodejs_heap_space|process_heap|process_virtual)/m);
});

test("every series has a type and says what it is", async () => {
  await using server = await testServer();
  for (const { name, help, type } of (await families(server)).values()) {
    expect(name).toStartWith("whisper_");
    expect([name, help.length > 5]).toEqual([name, true]);
    expect(["COUNTER", "GAUGE", "HISTOGRAM"]).toContain(type);
  }
});

test("where keys are needed, the numbers need one too", async () => {
  await using server = await testServer({ config: { apiKeys: ["sk-right"] } });
  expect((await server.fetch("/metrics")).status).toBe(401);
  const headers = { authorization: "Bearer sk-right" };
  expect((await server.fetch("/metrics", { headers })).status).toBe(200);
});
