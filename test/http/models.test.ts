import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/core/errors.ts";
import { FakeEngine, testModel } from "../helpers/engine.ts";
import { errorOf, form, jsonOf, type TestServer, testServer } from "../helpers/server.ts";

test("the list has the loaded model first, then the names that clients hard-code", async () => {
  await using server = await testServer();
  const { object, data } = await jsonOf<{
    object: string;
    data: ({ id: string } & Record<string, unknown>)[];
  }>(await server.fetch("/v1/models"));
  expect(object).toBe("list");
  expect(data[0]).toEqual({
    id: "test-model",
    object: "model",
    created: 1_700_000_000,
    owned_by: "self-hosted",
    shutdown_date: null,
    multilingual: true,
    languages: ["en", "de", "fr", "zh"],
    precision: "f16",
    bytes: 1000,
    memory_bytes: 2000,
    installed_at: 1_700_000_000,
    loaded: true,
    warning: null,
  });
  const ids = data.map(({ id }) => id);
  expect(ids).toEqual([
    "test-model",
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
  ]);
  for (const entry of data) {
    const response = await server.fetch(`/v1/models/${entry.id}`);
    expect(await jsonOf<object>(response)).toEqual(entry);
  }
});

test("an alias tells what it stands for", async () => {
  await using server = await testServer();
  const response = await server.fetch("/v1/models/whisper-1");
  expect(await response.json()).toMatchObject({ id: "whisper-1", object: "model", alias_of: "test-model" });
});

test("an id with a slash is found, encoded or not", async () => {
  const id = "Systran/faster-whisper-small";
  await using server = await testServer({ engine: new FakeEngine({ ...testModel, id }) });
  for (const path of [encodeURIComponent(id), id]) {
    const response = await server.fetch(`/v1/models/${path}`);
    expect(await response.json()).toMatchObject({ id });
  }
});

test("an unknown id is OpenAI's 404", async () => {
  await using server = await testServer();
  for (const [path, name] of [
    ["nobody", "nobody"],
    ["a%2Fb", "a/b"],
    ["a/b", "a/b"],
    ["WHISPER-1", "WHISPER-1"],
    ["__proto__", "__proto__"],
    ["%22%0a", '\\"\\n'],
  ] as const) {
    const response = await server.fetch(`/v1/models/${path}`);
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toEqual({
      message: `The model '${name}' does not exist`,
      type: "invalid_request_error",
      param: "model",
      code: "model_not_found",
    });
  }
});

const other = () => new FakeEngine({ ...testModel, id: "other", multilingual: false, languages: ["en"] });

test("the list has all that is installed, whether it is in memory, and what could be installed", async () => {
  await using server = await testServer({ others: [other()] });
  const { data, available } = await jsonOf<{ data: object[]; available: object[] }>(
    await server.fetch("/v1/models"),
  );
  expect(data.slice(0, 3)).toMatchObject([
    { id: "test-model", loaded: true },
    { id: "other", loaded: false },
    { id: "whisper-1", alias_of: "test-model" },
  ]);
  expect(available).toEqual([{ id: "tiny", bytes: 77_691_713, memory_bytes: 200_000_000 }]);
});

const transcriptions = "/v1/audio/transcriptions";

test("a request is answered by the model that it names, which it holds until its run has begun", async () => {
  const [standard, another] = [new FakeEngine(), other()];
  await using server = await testServer({ engine: standard, others: [another] });
  for (const [model, engine] of [
    ["other", another],
    ["test-model", standard],
    ["whisper-1", standard],
    ["", standard],
  ] as const) {
    const before = engine.requests.length;
    expect((await server.fetch(transcriptions, form({ model }, `for ${model}`))).status).toBe(200);
    expect([model, engine.requests.length]).toEqual([model, before + 1]);
    expect(server.models.held).toBe(0);
  }
  expect(server.models.used).toEqual(["other", "test-model", "test-model", "test-model"]);
  // what it knows counts: English here
  const refused = await server.fetch(transcriptions, form({ model: "other", language: "de" }));
  expect(refused.status).toBe(400);
  expect(server.models.held).toBe(0);
});

test("a request for a model that cannot be had is refused as the registry says, before any run", async () => {
  await using server = await testServer();
  server.models.refusal = new AppError("model_unavailable", "The model 'test-model' cannot be used", {
    param: "model",
  });
  const response = await server.fetch(transcriptions, form({ model: "test-model", stream: "true" }));
  expect(response.status).toBe(503);
  expect(response.headers.get("x-should-retry")).toBe("false");
  expect((await errorOf(response)).code).toBe("model_unavailable");
  expect(server.engine.requests).toEqual([]);
});

/** Who may change what is installed. */
const config = { apiKeys: ["sk-admin"] };
const headers = { authorization: "Bearer sk-admin" };

describe("installing a model", () => {
  const progress = [0, 500, 1000].map((doneBytes) => ({ doneBytes, totalBytes: 1000, bytesPerSecond: 99.6 }));

  test("waits for it and describes it", async () => {
    await using server = await testServer({ config, others: [other()] });
    server.models.progress = progress;
    const response = await server.fetch("/v1/models/other", { method: "POST", headers });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: "other", object: "model", loaded: false });
    expect(server.models.pulled.map(({ id }) => id)).toEqual(["other"]);
  });

  test("tells its progress as events, when asked", async () => {
    await using server = await testServer({ config, others: [other()] });
    server.models.progress = progress;
    const response = await server.fetch("/v1/models/other?stream=true", { method: "POST", headers });
    expect(response.headers.get("content-type")).toStartWith("text/event-stream");
    const events = (await response.text()).split("\r\n\r\n").filter((text) => text !== "");
    expect(events.at(-1)).toBe("data: [DONE]");
    const told = events.slice(0, -1).map((text) => JSON.parse(text.slice("data: ".length)));
    expect(told).toMatchObject([
      { type: "model.pull.progress", id: "other", done_bytes: 0, total_bytes: 1000, bytes_per_second: 100 },
      { type: "model.pull.progress", done_bytes: 500 },
      { type: "model.pull.progress", done_bytes: 1000 },
      { type: "model.pull.done", model: { id: "other", object: "model" } },
    ]);
  });

  test("that fails is an error, in a stream an event", async () => {
    await using server = await testServer({ config });
    server.models.refusal = new AppError("model_download_failed", "https://host/x answered 404");
    const plain = await server.fetch("/v1/models/tiny", { method: "POST", headers });
    expect([plain.status, plain.headers.get("x-should-retry")]).toEqual([502, "false"]);
    expect(await errorOf(plain)).toMatchObject({
      code: "model_download_failed",
      message: "https://host/x answered 404",
    });
    const streamed = await server.fetch("/v1/models/tiny?stream=1", { method: "POST", headers });
    expect(streamed.status).toBe(200);
    expect(await streamed.text()).toContain('"code":"model_download_failed"');
  });

  test("stops when its client leaves, and when the server stops", async () => {
    await using server = await testServer({ config });
    server.models.progress = progress;
    const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    server.models.beforeProgress = () => {
      begun[server.models.pulled.length - 1]?.resolve();
      return new Promise(() => {});
    };
    const response = await server.fetch("/v1/models/tiny?stream=true", { method: "POST", headers });
    const reader = response.body?.getReader();
    void reader?.read();
    await begun[0]?.promise;
    await reader?.cancel();
    expect(server.models.pulled[0]?.signal.aborted).toBe(true);
    void server.fetch("/v1/models/tiny", { method: "POST", headers });
    await begun[1]?.promise;
    server.stopping.abort();
    expect(server.models.pulled[1]?.signal.aborted).toBe(true);
  });

  test("takes true or false for stream", async () => {
    await using server = await testServer({ config });
    const response = await server.fetch("/v1/models/tiny?stream=maybe", { method: "POST", headers });
    expect((await errorOf(response)).message).toBe('Expected true or false for stream but received "maybe"');
    expect(server.models.pulled).toEqual([]);
  });
});

describe("removing a model", () => {
  const remove = (server: TestServer, id: string) =>
    server.fetch(`/v1/models/${id}`, { method: "DELETE", headers });

  test("answers as OpenAI does", async () => {
    await using server = await testServer({ config, others: [other()] });
    expect(await (await remove(server, "other")).json()).toEqual({
      id: "other",
      object: "model",
      deleted: true,
    });
    expect(server.models.removed).toEqual(["other"]);
  });

  test("is not for aliases or what is not there", async () => {
    await using server = await testServer({ config });
    for (const id of ["whisper-1", "nobody", "a/b", "a%2Fb", "..%2F..%2Fetc"]) {
      const response = await remove(server, id);
      expect([id, response.status, (await errorOf(response)).code]).toEqual([id, 404, "model_not_found"]);
    }
    expect(server.models.removed).toEqual([]);
  });
});

test("without keys nobody from elsewhere installs or removes, nor a page that someone here looks at", async () => {
  await using server = await testServer({ others: [other()] });
  const url = `http://127.0.0.1:${server.listen()}/v1/models/other`;
  const origin = { origin: "https://evil.example" };
  for (const method of ["POST", "DELETE"]) {
    const inProcess = await server.fetch("/v1/models/other", { method });
    expect([inProcess.status, (await errorOf(inProcess)).code]).toEqual([403, "insufficient_scope"]);
    expect((await fetch(url, { method, headers: origin })).status).toBe(403);
  }
  expect([server.models.pulled, server.models.removed]).toEqual([[], []]);
  expect((await fetch(url, { method: "DELETE" })).status).toBe(200);
});

test("keys are asked for before anything is installed or removed", async () => {
  await using server = await testServer({
    config: { apiKeys: ["sk-secret-secret-secret"] },
    others: [other()],
  });
  for (const method of ["POST", "DELETE"]) {
    expect((await server.fetch("/v1/models/other", { method })).status).toBe(401);
  }
  expect([server.models.pulled, server.models.removed]).toEqual([[], []]);
});
