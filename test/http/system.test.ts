import { expect, test } from "bun:test";
import { catalogue } from "../../src/core/errors.ts";
import { defaultOptions } from "../../src/core/options.ts";
import { FakeEngine, testModel } from "../helpers/engine.ts";
import { jsonOf, testServer } from "../helpers/server.ts";
import { memoryStore } from "../helpers/stores.ts";

interface Description {
  paths: Record<
    string,
    Record<
      string,
      { summary?: string; responses: Record<string, { description: string }>; requestBody?: Body }
    >
  >;
}
interface Body {
  content: Record<
    string,
    { schema: { required: string[]; properties: Record<string, { description?: string; format?: string }> } }
  >;
}

test("health says which model runs and what it cannot do, and is not the text that bridges mistake", async () => {
  const warning = "This is the small demo model.";
  await using server = await testServer({ engine: new FakeEngine({ ...testModel, warning }) });
  const response = await server.fetch("/health");
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: "ok", version: "1.2.3", model: "test-model", warning });
});

test("ready turns to 503 when the next request would be refused", async () => {
  for (const [running, queued, status] of [
    [0, 0, 200],
    [1, 0, 200],
    [1, 1, 200],
    [1, 2, 503],
  ] as const) {
    const engine = new FakeEngine(testModel, [], { running, queued, maxRunning: 1, maxQueued: 2 });
    await using server = await testServer({ engine });
    const response = await server.fetch("/ready");
    expect(response.status).toBe(status);
    expect(await response.json()).toEqual({
      status: status === 200 ? "ready" : "overloaded",
      store: "available",
      running,
      queued,
      max_running: 1,
      max_queued: 2,
    });
  }
});

test("ready says that the store is away, and still takes requests", async () => {
  const store = { ...memoryStore(), isAvailable: false };
  await using server = await testServer({ store });
  const response = await server.fetch("/ready");
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: "degraded", store: "unavailable" });
});

test("the root points to the documentation", async () => {
  await using server = await testServer();
  const { docs } = await jsonOf<{ docs: string }>(await server.fetch("/"));
  const page = await server.fetch(docs);
  expect(page.headers.get("content-type")).toStartWith("text/html");
  const html = await page.text();
  expect(html).toContain("Whisper API");
  const files = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, file = ""]) => file);
  expect(files).toHaveLength(2);
  for (const file of files) {
    const answer = await server.fetch(file);
    expect([file, answer.status, (await answer.blob()).size > 10_000]).toEqual([file, 200, true]);
  }
  expect((await server.fetch("/docs/ui/..%2fpackage.json")).status).toBe(404);
});

test("the description has every route with its errors, and nothing else", async () => {
  await using server = await testServer();
  const { paths } = await jsonOf<Description>(await server.fetch("/docs/json"));
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(described.sort()).toEqual([
    "delete /v1/audio/transcriptions/{task_id}",
    "delete /v1/webhooks/{webhook_id}",
    "get /health",
    "get /metrics",
    "get /ready",
    "get /v1/audio/transcriptions",
    "get /v1/audio/transcriptions/{task_id}",
    "get /v1/audio/transcriptions/{task_id}/events",
    "get /v1/models",
    "get /v1/models/{id}",
    "get /v1/realtime",
    "get /v1/webhooks",
    "get /v1/webhooks/{webhook_id}",
    "get /v1/webhooks/{webhook_id}/deliveries",
    "post /v1/audio/transcriptions",
    "post /v1/audio/translations",
    "post /v1/realtime/client_secrets",
    "post /v1/realtime/transcription_sessions",
    "post /v1/webhooks",
    "post /v1/webhooks/{webhook_id}/redeliver",
  ]);
  for (const methods of Object.values(paths))
    for (const { summary } of Object.values(methods)) expect(summary).toBeString();
  const codes = Object.values(paths["/v1/audio/transcriptions"]?.post?.responses ?? {})
    .flatMap(({ description }) => description.split(", "))
    .filter((code) => code in catalogue);
  expect(codes).toEqual(
    expect.arrayContaining(["corrupt_audio", "request_too_large", "server_overloaded", "internal_error"]),
  );
});

test("the description has every field of a transcription, each explained", async () => {
  await using server = await testServer();
  const { paths } = await jsonOf<Description>(await server.fetch("/docs/json"));
  const schema = paths["/v1/audio/transcriptions"]?.post?.requestBody?.content["multipart/form-data"]?.schema;
  // Neither is: one of them has to be there.
  expect(schema?.required).toBeUndefined();
  expect(schema?.properties.file?.format).toBe("binary");
  const names = Object.keys(schema?.properties ?? {});
  expect(names).toEqual(
    expect.arrayContaining([
      "file",
      "url",
      "model",
      "language",
      "languages[]",
      "keywords[]",
      "prompt",
      "response_format",
      "temperature",
      "timestamp_granularities[]",
      "include[]",
      "stream",
      "chunking_strategy",
      "known_speaker_names[]",
      "known_speaker_references[]",
    ]),
  );
  for (const { description } of Object.values(schema?.properties ?? {})) expect(description).toBeString();
  const notFields = ["task", "word_times", "split_channels"];
  const options = Object.keys(defaultOptions).map((key) =>
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
  expect(options.filter((name) => !names.includes(name)).sort()).toEqual(notFields.sort());
});
