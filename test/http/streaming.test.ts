import { expect, test } from "bun:test";
import { AppError } from "../../src/core/errors.ts";
import { eventStream } from "../../src/http/sse.ts";
import { FakeEngine } from "../helpers/engine.ts";
import { form, testServer } from "../helpers/server.ts";

const transcriptions = "/v1/audio/transcriptions";

/** Options of a stream that nothing goes wrong with. */
const calm = { failed: () => ({}), abandoned: () => {} };

async function* from(events: readonly object[]) {
  yield* events;
}

test("a stream has OpenAI's bytes: data lines only, CRLF, [DONE] last", async () => {
  await using server = await testServer();
  const response = await server.fetch(transcriptions, form({ stream: "true" }));
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.text()).toBe(
    [
      'data: {"type":"transcript.text.delta","delta":"Hello"}',
      'data: {"type":"transcript.text.delta","delta":" world."}',
      'data: {"type":"transcript.progress","progress":1,"done":2,"total":2}',
      'data: {"type":"transcript.text.done","text":"Hello world.","usage":{"type":"duration","seconds":2}}',
      "data: [DONE]",
      "",
    ].join("\r\n\r\n"),
  );
});

test("the done event of every format has the text of the whole answer", async () => {
  await using server = await testServer();
  for (const format of ["json", "verbose_json", "diarized_json"]) {
    const whole = await (await server.fetch(transcriptions, form({ response_format: format }))).json();
    const text = await (
      await server.fetch(transcriptions, form({ response_format: format, stream: "true" }))
    ).text();
    const done = text.split("\r\n\r\n").at(-3)?.slice("data: ".length) ?? "";
    expect(JSON.parse(done)).toMatchObject({
      type: "transcript.text.done",
      text: (whole as { text: string }).text,
    });
  }
});

test("a refusal before the run is an ordinary error, though a stream was asked for", async () => {
  const engine = new FakeEngine();
  engine.refusal = new AppError("invalid_file_format", "Expected audio for file", { param: "file" });
  await using server = await testServer({ engine });
  const response = await server.fetch(transcriptions, form({ stream: "true" }));
  expect(response.status).toBe(400);
  expect(response.headers.get("content-type")).toBe("application/json");
});

test("a failure in the middle is told as an error event, after what was said before", async () => {
  const engine = new FakeEngine();
  engine.failure = new AppError("corrupt_audio", "The recording breaks off");
  await using server = await testServer({ engine });
  const text = await (await server.fetch(transcriptions, form({ stream: "true" }))).text();
  expect(text).toBe(
    [
      'data: {"type":"transcript.text.delta","delta":"Hello"}',
      'data: {"error":{"message":"The recording breaks off","type":"invalid_request_error","param":null,"code":"corrupt_audio"}}',
      "",
    ].join("\r\n\r\n"),
  );
});

test("an unknown failure in the middle is hidden from the client and logged", async () => {
  const engine = new FakeEngine();
  engine.failure = new Error("the secret path");
  await using server = await testServer({ engine });
  const text = await (await server.fetch(transcriptions, form({ stream: "true" }))).text();
  expect(text).toContain('"code":"internal_error"');
  expect(text).not.toContain("secret");
  expect(server.log.find(({ level }) => level === "error")?.fields.error).toBe(engine.failure);
});

test("a failure in the middle of a whole answer is an ordinary error", async () => {
  const engine = new FakeEngine();
  engine.failure = new AppError("corrupt_audio", "The recording breaks off");
  await using server = await testServer({ engine });
  const response = await server.fetch(transcriptions, form());
  expect(response.status).toBe(400);
});

test("leaving a stream early cancels its run", async () => {
  const engine = new FakeEngine();
  engine.beforeEvent = (index) => (index < 2 ? Promise.resolve() : new Promise(() => {}));
  await using server = await testServer({ engine });
  const response = await server.fetch(transcriptions, form({ stream: "true" }));
  const reader = response.body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('"delta":"Hello"');
  await reader?.cancel();
  await engine.cancelled.promise;
  expect(server.log.at(-1)?.fields).toMatchObject({ status: 200 });
});

test("a quiet stream is kept alive by comments", async () => {
  const gate = Promise.withResolvers<void>();
  async function* quiet() {
    yield { n: 1 };
    await gate.promise;
    yield { n: 2 };
  }
  const response = eventStream({ events: quiet(), keepAliveMs: 1, ...calm });
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk);
    if (text.includes(": ping\r\n\r\n: ping\r\n\r\n")) gate.resolve();
  }
  expect(text).toMatch(
    /^data: \{"n":1\}\r\n\r\n(: ping\r\n\r\n){2,}data: \{"n":2\}\r\n\r\ndata: \[DONE\]\r\n\r\n$/,
  );
});

test("events are made at the pace at which the client reads", async () => {
  let made = 0;
  async function* endless() {
    for (;;) yield { n: made++ };
  }
  let abandoned = 0;
  const response = eventStream({ events: endless(), ...calm, abandoned: () => abandoned++ });
  const reader = response.body?.getReader();
  for (let reads = 0; reads < 5; reads++) await reader?.read();
  expect(made).toBeLessThan(10);
  await reader?.cancel();
  expect(abandoned).toBe(1);
});

test("a stream that has ended was not abandoned", async () => {
  let abandoned = 0;
  const response = eventStream({ events: from([{ n: 1 }]), ...calm, abandoned: () => abandoned++ });
  expect(await response.text()).toBe('data: {"n":1}\r\n\r\ndata: [DONE]\r\n\r\n');
  expect(abandoned).toBe(0);
});
