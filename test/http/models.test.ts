import { expect, test } from "bun:test";
import { FakeEngine, testModel } from "../helpers/engine.ts";
import { errorOf, jsonOf, testServer } from "../helpers/server.ts";

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
