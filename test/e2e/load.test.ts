/** A server that is busy: clients that go away, a queue that is full, short work behind long work. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import OpenAI from "openai";
import { recording } from "../fixtures/index.ts";
import { idle, post, ready, running, textOf } from "./requests.ts";
import { eventually, startServer } from "./server.ts";

setDefaultTimeout(60_000);

describe("a client that goes away", () => {
  test("while its recording is transcribed ends the run, long before the recording's end", async () => {
    await using server = await startServer();
    const gone = new AbortController();
    const response = post(server, "en-long-95s.mp3", { signal: gone.signal });
    await running(server);
    await post(server); // meanwhile the long one has been decoded and is running
    gone.abort();
    await expect(response).rejects.toThrow();
    await idle(server);
    await server.logged(({ message, failed }) => message === "transcribed" && failed === "request_cancelled");
    await server.logged(({ message, status }) => message === "request" && status === 499);
    expect(await server.leftovers()).toEqual([]);
    expect(await textOf(await post(server))).toBe(recording("en-digits.wav").text);
  });

  test("while it reads a stream ends the run", async () => {
    await using server = await startServer();
    const gone = new AbortController();
    const response = await post(server, "en-long-95s.mp3", { stream: true, signal: gone.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    gone.abort();
    await idle(server);
    await server.logged(({ message, failed }) => message === "transcribed" && failed === "request_cancelled");
    expect(server.log().filter(({ level }) => level === "error")).toEqual([]);
  });

  test("while it waits in the queue leaves its place to the next", async () => {
    await using server = await startServer({ env: { MAX_RUNS: "1", MAX_QUEUE: "2" } });
    const first = post(server, "en-segments.wav");
    await running(server);
    const gone = new AbortController();
    const waiting = post(server, "en-segments.wav", { signal: gone.signal });
    await eventually(
      () => ready(server),
      ({ queued }) => queued === 1,
    );
    const next = post(server);
    gone.abort();
    await expect(waiting).rejects.toThrow();
    expect(await textOf(await next)).toBe(recording("en-digits.wav").text);
    expect(await textOf(await first)).toBe(recording("en-segments.wav").text);
    await idle(server);
  });
});

describe("a full queue", () => {
  test("refuses with 503 and when to come back; the official client then does", async () => {
    await using server = await startServer({ env: { MAX_RUNS: "1", MAX_QUEUE: "0" } });
    const long = post(server, "en-long-95s.mp3");
    await running(server);
    expect((await fetch(`${server.url}/ready`)).status).toBe(503);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);

    const refused = await post(server);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, 61);
    expect(refused.headers.get("x-should-retry")).toBe("true");
    expect(await refused.json()).toEqual({
      error: {
        message: expect.stringContaining("busy"),
        type: "server_error",
        param: null,
        code: "server_overloaded",
      },
    });

    const retries: string[] = [];
    const client = new OpenAI({
      apiKey: "any",
      baseURL: `${server.url}/v1`,
      maxRetries: 2,
      fetch: async (url, init) => {
        const headers = new Headers(init?.headers);
        const response = await fetch(url, init);
        const count = headers.get("x-stainless-retry-count");
        if (count === null) return response; // the client tries out what fetch can do
        retries.push(count);
        if (response.status === 503) {
          // what it was told to wait for: the end of the long one
          await long;
          await idle(server);
          return new Response(response.body, {
            status: 503,
            headers: { "x-should-retry": "true", "retry-after-ms": "1" },
          });
        }
        return response;
      },
    });
    const file = new File([await Bun.file(recording("en-digits.wav").path).bytes()], "a.wav");
    const { text } = await client.audio.transcriptions.create({ file, model: "whisper-1", language: "en" });
    expect(text).toBe(recording("en-digits.wav").text);
    expect(retries).toEqual(["0", "1"]);
    expect((await long).status).toBe(200);
  });
});

test("a short clip is answered while a long recording runs", async () => {
  await using server = await startServer({ env: { SLOTS: "1" } });
  const order: string[] = [];
  const long = post(server, "en-long-95s.mp3").then(() => order.push("long"));
  await running(server);
  await post(server).then(() => order.push("short"));
  await long;
  expect(order).toEqual(["short", "long"]);
});
