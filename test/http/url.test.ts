/** `url` instead of `file`. Disposal of a test's server fails when a file is left. */
import { describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { fetchRecording } from "../../src/http/fetch-recording.ts";
import { openOutbound } from "../../src/net/outbound.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { rawReceiver, receiver } from "../helpers/receiver.ts";
import { errorOf, jsonOf, testServer } from "../helpers/server.ts";

const route = "/v1/audio/transcriptions";
const allowed = { webhookAllowPrivate: true };

function fields(values: Record<string, string>): RequestInit {
  const body = new FormData();
  for (const [name, value] of Object.entries(values)) body.append(name, value);
  return { method: "POST", body };
}

describe("a recording at a URL", () => {
  test("is transcribed as if it had been sent", async () => {
    await using server = await testServer({ config: allowed });
    const bytes = crypto.getRandomValues(new Uint8Array(300_000));
    await using target = receiver(() => new Response(bytes));
    const response = await server.fetch(route, fields({ url: `${target.url}/a.wav?x=1`, language: "en" }));
    expect(response.status).toBe(200);
    expect(await jsonOf<object>(response)).toMatchObject({ text: "Hello world." });
    const [request] = server.engine.requests;
    expect(Buffer.from(request?.audio ?? []).equals(bytes)).toBe(true);
    expect(target.received).toMatchObject([{ path: "/a.wav?x=1" }]);
  });

  test("can be a task's", async () => {
    await using server = await testServer({ config: allowed, workers: 1 });
    await using target = receiver(() => new Response("RIFF..."));
    const response = await server.fetch(route, fields({ url: target.url, async: "true" }));
    expect(response.status).toBe(202);
  });

  test("is found behind three redirects", async () => {
    await using server = await testServer({ config: allowed });
    await using target = receiver((number) =>
      number < 3
        ? new Response("", { status: [301, 302, 308][number] ?? 0, headers: { location: `/${number}` } })
        : new Response("RIFF..."),
    );
    expect((await server.fetch(route, fields({ url: target.url }))).status).toBe(200);
    expect(target.received.map(({ path }) => path)).toEqual(["/", "/0", "/1", "/2"]);
  });
});

describe("is refused, and nothing is left:", () => {
  test.each([
    ["a URL to loopback", "http://127.0.0.1/a.wav"],
    ["a URL to a name of loopback", "http://localhost/a.wav"],
    ["a file of the server", "file:///etc/passwd"],
    ["text that is no URL", "a.wav"],
  ])("%s", async (_, url) => {
    await using server = await testServer();
    const response = await server.fetch(route, fields({ url }));
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_value", param: "url" });
  });

  test("neither file nor url, and both", async () => {
    await using server = await testServer();
    expect(await errorOf(await server.fetch(route, fields({ url: "" })))).toMatchObject({
      code: "missing_required_parameter",
      param: "file",
    });
    const both = fields({ url: "https://8.8.8.8/a.wav" });
    (both.body as FormData).append("file", new File(["RIFF..."], "a.wav"));
    expect(await errorOf(await server.fetch(route, both))).toMatchObject({
      code: "invalid_value",
      param: "file",
    });
  });

  test("a field that is wrong, before anything is fetched", async () => {
    await using server = await testServer({ config: allowed });
    await using target = receiver();
    const response = await server.fetch(route, fields({ url: target.url, temperature: "2" }));
    expect(await errorOf(response)).toMatchObject({ param: "temperature" });
    expect(target.received).toEqual([]);
  });

  test.each([
    ["an answer that is an error", new Response("no", { status: 404 }), /answered 404/],
    ["a part of it", new Response("no", { status: 206 }), /answered 206/],
    ["a redirect to nowhere", new Response("", { status: 302, headers: { location: "http://" } }), /no URL/],
    ["redirects without end", new Response("", { status: 302, headers: { location: "/" } }), /more than 3/],
  ])("%s", async (_, answer, message) => {
    await using server = await testServer({ config: allowed });
    await using target = receiver(() => answer.clone() as Response);
    const response = await server.fetch(route, fields({ url: target.url }));
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error).toMatchObject({ code: "url_not_fetched", param: "url" });
    expect(error.message).toMatch(message);
  });

  test("one that is empty", async () => {
    await using server = await testServer({ config: allowed });
    await using target = receiver(() => new Response(""));
    const response = await server.fetch(route, fields({ url: target.url }));
    expect(await errorOf(response)).toMatchObject({ code: "invalid_value", param: "url" });
  });

  test("one that is too large, as soon as that is known", async () => {
    await using server = await testServer({ config: { ...allowed, maxFileSize: 1000 } });
    await using honest = receiver(() => new Response("x".repeat(1001)));
    await using endless = await rawReceiver((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const timer = setInterval(() => socket.write("x".repeat(100)), 1);
      socket.on("close", () => clearInterval(timer));
    });
    for (const { url } of [honest, endless]) {
      const response = await server.fetch(route, fields({ url }));
      expect(response.status).toBe(413);
      expect(await errorOf(response)).toMatchObject({ code: "request_too_large", param: "url" });
    }
  });

  test.each([
    ["one that does not come", ""],
    ["one that pauses for too long", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nRIFF"],
  ])("%s", async (_, text) => {
    await using server = await testServer({ config: { ...allowed, uploadTimeoutMs: 100 } });
    await using target = await rawReceiver((socket) => socket.write(text));
    const response = await server.fetch(route, fields({ url: target.url }));
    expect(await errorOf(response)).toMatchObject({
      code: "url_not_fetched",
      message: "The recording at url could not be fetched: It did not come in time",
    });
  });

  test("one that breaks off", async () => {
    await using server = await testServer({ config: allowed });
    await using target = await rawReceiver((socket) =>
      socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nRIFF"),
    );
    const response = await server.fetch(route, fields({ url: target.url }));
    expect(await errorOf(response)).toMatchObject({ code: "url_not_fetched" });
  });

  test.each(["http://127.0.0.1:1/secret", "http://169.254.169.254/latest/", "file:///etc/passwd"])(
    "a redirect to %s",
    async (location) => {
      await using target = receiver(() => new Response("", { status: 302, headers: { location } }));
      // The first hop has to be allowed for once: every receiver of a test is inside.
      const [free, guarded] = [openOutbound({ allowPrivate: true }), openOutbound({ allowPrivate: false })];
      const outbound: typeof free = {
        ...guarded,
        request: (request) => (request.url === target.url ? free : guarded).request(request),
      };
      using folder = temporaryFolder();
      const limits = { directory: folder.path, maxFileBytes: 1000, stallTimeoutMs: 10_000 };
      const fetched = fetchRecording(target.url, outbound, limits, new AbortController().signal);
      await expect(fetched).rejects.toMatchObject({ code: "invalid_value", param: "url" });
      expect(await readdir(folder.path)).toEqual([]);
    },
  );
});

test("a client that leaves ends the fetching, and nothing is left", async () => {
  await using server = await testServer({ config: allowed });
  const [asked, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using target = await rawReceiver((socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nRIFF");
    asked.resolve();
    socket.on("close", () => closed.resolve());
  });
  const leaving = new AbortController();
  const init = { ...fields({ url: target.url }), signal: leaving.signal };
  const answer = fetch(`http://127.0.0.1:${server.listen()}${route}`, init).catch(() => null);
  await asked.promise;
  leaving.abort();
  await closed.promise;
  await answer;
  await server.logged(({ message }) => message === "request");
  expect(await server.leftovers()).toEqual([]);
});
