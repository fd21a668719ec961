/** /metrics, read by a parser of Prometheus' text format. */
import { expect, test } from "bun:test";
import parse from "parse-prometheus-text-format";
import { FakeEngine } from "../helpers/engine.ts";
import { form, type TestServer, testServer } from "../helpers/server.ts";

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
  expect(sampleOf(found, "whisper_build_info", { version: "1.2.3", store: "sqlite" })).toBe("1");
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
