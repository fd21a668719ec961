/** A server with several models: asked for by name, unloaded when idle, damaged, installed in vain, removed. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, createReadStream, existsSync, truncateSync } from "node:fs";
import { join } from "node:path";
import OpenAI, { NotFoundError } from "openai";
import { demoModel, recording } from "../fixtures/index.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

const { path, text } = recording("en-digits.wav");
const folder = folderForAllTests();
const fileOf = (name: string) => join(folder.path, `ggml-${name}.bin`);
let server: Server;
let client: OpenAI;

beforeAll(async () => {
  for (const name of ["one", "two", "torn"]) copyFileSync(demoModel, fileOf(name));
  truncateSync(fileOf("torn"), 1_000_000);
  server = await startServer({ env: { MODELS_DIR: folder.path, MODEL_TTL: "1s" } });
  client = new OpenAI({ apiKey: "any", baseURL: `${server.url}/v1`, maxRetries: 0 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const transcribe = (model: string) =>
  client.audio.transcriptions.create(
    { file: createReadStream(path), model, language: "en" },
    // the models are copies of one: they would share a result
    { headers: { "cache-control": "no-store" } },
  );

const loaded = async () =>
  ((await (await fetch(`${server.url}/health`)).json()) as { loaded: string[] }).loaded;

test("the installed models are listed for the official client, the server's own one first", async () => {
  const { data } = await client.models.list();
  expect(data.slice(0, 5).map(({ id }) => id)).toEqual(["demo", "one", "torn", "two", "whisper-1"]);
  expect(await client.models.retrieve("two")).toMatchObject({ id: "two", object: "model", loaded: false });
});

test("each answers by its name, all at the same time, and is unloaded when it has been idle", async () => {
  const names = ["one", "two", "whisper-1", "one", "two", "demo"];
  const answers = await Promise.all(names.map(transcribe));
  expect(answers.map((answer) => answer.text)).toEqual(names.map(() => text));
  for (const name of ["one", "two"]) {
    const line = await server.logged(({ message, model }) => message === "model unloaded" && model === name);
    expect(line.reason).toBe("idle");
  }
  expect(await loaded()).toEqual(["demo"]);
  const loads = server.log().filter(({ message }) => message === "model loaded");
  expect(new Set(loads.map(({ model }) => model))).toEqual(new Set(["demo", "one", "two"]));
});

test("a damaged one is a 503, and the server goes on", async () => {
  const error = (await transcribe("torn").catch((reason) => reason)) as InstanceType<typeof OpenAI.APIError>;
  expect([error.status, error.code]).toEqual([503, "model_unavailable"]);
  expect((await transcribe("demo")).text).toBe(text);
});

test("one that is not installed says how it would be, and a failed download says why", async () => {
  const missing = (await transcribe("base").catch((reason) => reason)) as NotFoundError;
  expect(missing).toBeInstanceOf(NotFoundError);
  expect(missing.message).toContain("POST /v1/models/base");
  const response = await fetch(`${server.url}/v1/models/base?stream=true`, { method: "POST" });
  const events = (await response.text()).split("\r\n\r\n");
  expect(events[0]).toContain('"type":"model.pull.progress"');
  expect(events[1]).toContain('"code":"model_download_failed"');
});

test("one is removed though it transcribes: what has begun ends", async () => {
  const long = recording("en-long-95s.mp3").path;
  const running = client.audio.transcriptions.create({
    ...{ file: createReadStream(long), model: "one", language: "en", stream: true },
  });
  const stream = await running;
  expect(await client.models.delete("one")).toEqual({ id: "one", object: "model", deleted: true });
  expect(existsSync(fileOf("one"))).toBe(false);
  expect(await transcribe("one").catch((reason) => reason)).toBeInstanceOf(NotFoundError);
  const types: string[] = [];
  for await (const { type } of stream) types.push(type);
  expect(types.at(-1)).toBe("transcript.text.done");
  await server.logged(({ message, reason }) => message === "model unloaded" && reason === "removed");
});

test("the server's own one stays", async () => {
  const error = (await client.models.delete("demo").catch((reason) => reason)) as InstanceType<
    typeof OpenAI.APIError
  >;
  expect([error.status, error.code]).toEqual([409, "model_in_use"]);
  expect(existsSync(demoModel)).toBe(true);
});
