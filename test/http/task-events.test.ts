/** The events of tasks over HTTP, in one process. */
import { describe, expect, test } from "bun:test";
import { AppError } from "../../src/core/errors.ts";
import { FakeEngine, testModel, testSegment } from "../helpers/engine.ts";
import { form, testServer } from "../helpers/server.ts";
import {
  at,
  ended,
  events,
  type Fields,
  type Payload,
  payloads,
  submit,
  transcriptions,
} from "../helpers/tasks.ts";

const numbered = (count: number) => Array.from({ length: count }, (_, id) => testSegment(id, ` word${id}`));

describe("the events of a task", () => {
  test("are those of a stream, numbered, and the task whenever its status changes", async () => {
    await using server = await testServer({ workers: 1 });
    const task = await submit(server);
    await ended(server, task);
    const told = await events(server, task);
    const shown = (payload: Payload) => [
      payload.type,
      payload.sequence,
      payload.delta ?? payload.text ?? payload.status,
    ];
    expect(told.map(shown)).toEqual([
      ["transcript.text.delta", 1, "Hello"],
      ["transcript.text.delta", 2, " world."],
      ["transcript.progress", 2, undefined],
      ["transcript.text.done", 3, "Hello world."],
      ["task.status", 3, "completed"],
    ]);
    const stream = await (await server.fetch(transcriptions, form({ stream: "true" }))).text();
    const ofStream = payloads(stream).map((payload) => JSON.stringify(payload));
    const same = told.filter(({ type }) => type !== "task.status");
    expect(same.map(({ sequence: _, ...payload }) => JSON.stringify(payload))).toEqual(ofStream);
  });

  test.each([
    { response_format: "verbose_json", timestamp_granularities: ["segment"] },
    { response_format: "srt" },
    { response_format: "diarized_json" },
  ])("are those of a stream of %p", async (view) => {
    await using server = await testServer({ workers: 1 });
    const task = await submit(server, view as Fields);
    const told = (await events(server, task)).filter(({ type }) => type?.startsWith("transcript.text"));
    const stream = payloads(
      await (await server.fetch(transcriptions, form({ ...(view as Fields), stream: "true" }))).text(),
    ).filter(({ type }) => type?.startsWith("transcript.text"));
    expect(told.map(({ sequence: _, ...payload }) => payload)).toEqual(stream as never);
  });

  test("come while the task waits and runs, and go on where a client has left off", async () => {
    const engine = new FakeEngine(testModel, numbered(4));
    const gates = Array.from({ length: 8 }, () => Promise.withResolvers<void>());
    engine.beforeEvent = (index) => gates[index]?.promise ?? Promise.resolve();
    await using server = await testServer({ engine, workers: 1 });
    const task = await submit(server);
    const response = await server.fetch(at(task, "/events"));
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    const until = async (text: string) => {
      while (!seen.includes(text)) seen += (await reader?.read())?.value ?? "";
    };
    await until('"status":"running"');
    gates[0]?.resolve();
    gates[1]?.resolve();
    await until('"delta":"word0"');
    gates[2]?.resolve();
    await until('"delta":" word1"');
    expect(seen).toContain('"delta":" word1","sequence":2}');
    await reader?.cancel();
    for (const gate of gates) gate.resolve();
    const rest = await events(server, task, "?after=2");
    const deltas = rest.filter(({ type }) => type === "transcript.text.delta");
    expect(deltas.map(({ delta, sequence }) => [delta, sequence])).toEqual([
      [" word2", 3],
      [" word3", 4],
    ]);
    expect(rest.at(-1)).toMatchObject({ type: "task.status", status: "completed", sequence: 5 });
  });

  test("end with the error of a task that fails", async () => {
    const engine = new FakeEngine();
    engine.failure = new AppError("corrupt_audio", "The recording breaks off");
    await using server = await testServer({ engine, workers: 1 });
    const told = await events(server, await submit(server));
    expect(told.at(-1)).toMatchObject({
      type: "task.status",
      status: "failed",
      error: { code: "corrupt_audio" },
    } as never);
    expect(told.some(({ delta }) => delta === "Hello")).toBe(true);
  });

  test("end when the task is cancelled, and when it is removed", async () => {
    await using server = await testServer();
    const task = await submit(server);
    const cancelled = events(server, task);
    await server.fetch(at(task), { method: "DELETE" });
    expect((await cancelled).at(-1)).toMatchObject({ status: "cancelled" });
  });

  test("end with an error when the server stops", async () => {
    await using server = await testServer();
    const response = await server.fetch(at(await submit(server), "/events"));
    const text = response.text();
    server.stopping.abort();
    expect(await text).toContain("server_shutting_down");
    expect(await text).not.toContain("[DONE]");
  });

  test("are had by a caller 100 times at once, and again when one has left", async () => {
    await using server = await testServer();
    const path = at(await submit(server), "/events");
    const open = await Promise.all(Array.from({ length: 100 }, () => server.fetch(path)));
    const refused = await server.fetch(path);
    expect(refused.status).toBe(429);
    await open[0]?.body?.cancel();
    let answer: Response;
    do {
      await Bun.sleep(1);
      answer = await server.fetch(path);
    } while (answer.status === 429);
    expect(answer.status).toBe(200);
    for (const { body } of [...open.slice(1), answer]) await body?.cancel();
  });

  test.each(["after=-1", "after=x", "after=99999999999"])("are not had for ?%s", async (query) => {
    await using server = await testServer();
    expect((await server.fetch(at(await submit(server), `/events?${query}`))).status).toBe(400);
  });
});
