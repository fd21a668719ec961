import { expect, test } from "bun:test";
import { AppError, catalogue } from "../../src/core/errors.ts";
import { errorResponse } from "../../src/http/errors.ts";
import { FakeEngine } from "../helpers/engine.ts";
import { form, testServer } from "../helpers/server.ts";

const transcriptions = "/v1/audio/transcriptions";

test("every response carries a request id of its own that scripts may read", async () => {
  await using server = await testServer();
  const ids = new Set<string | null>();
  for (const [path, init] of [
    ["/", {}],
    ["/health", { method: "HEAD" }],
    ["/nowhere", {}],
    ["/v1/models", { method: "POST" }],
    ["/v1/models/whisper-1", { method: "OPTIONS" }],
    [transcriptions, { method: "POST", body: "{}" }],
    [transcriptions, form()],
    [transcriptions, form({ stream: "true" })],
  ] as const) {
    const response = await server.fetch(path, init);
    await response.arrayBuffer();
    const id = response.headers.get("x-request-id");
    expect(id).toMatch(/^req_[0-9a-f]{32}$/);
    expect(response.headers.get("access-control-expose-headers")).toContain("x-request-id");
    expect(response.headers.get("openai-processing-ms")).toMatch(/^\d+$/);
    ids.add(id);
  }
  expect(ids.size).toBe(8);
});

test("an error of any kind has OpenAI's envelope with all four keys", async () => {
  await using server = await testServer({ config: { apiKeys: ["right"] } });
  const headers = { authorization: "Bearer right" };
  for (const [path, init, status, code, param] of [
    ["/nowhere", {}, 404, "not_found", null],
    ["/v1/nowhere", { headers }, 404, "not_found", null],
    ["/v1/models", {}, 401, "invalid_api_key", null],
    ["/v1/models", { method: "PATCH", headers }, 405, "method_not_allowed", null],
    ["/v1/models/nobody", { headers }, 404, "model_not_found", "model"],
    ["/v1/models/%zz", { headers }, 404, "model_not_found", "model"],
    [transcriptions, { method: "POST", body: "x", headers }, 415, "unsupported_media_type", null],
    [transcriptions, { ...form({ temperature: "2" }), headers }, 400, "invalid_value", "temperature"],
  ] as const) {
    const response = await server.fetch(path, init);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.status).toBe(status);
    const body = await response.json();
    expect(body).toEqual({
      error: { message: expect.any(String), type: "invalid_request_error", param, code },
    });
  }
});

test("an unknown error tells the client nothing and the log everything", async () => {
  const engine = new FakeEngine();
  engine.refusal = new Error("cannot open /etc/secret/weights.bin");
  await using server = await testServer({ engine });
  const response = await server.fetch(transcriptions, form());
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(JSON.parse(text).error).toMatchObject({ code: "internal_error", type: "server_error", param: null });
  expect(text).not.toContain("secret");
  const line = server.log.find(({ level }) => level === "error");
  expect(line?.fields).toEqual({ requestId: response.headers.get("x-request-id"), error: engine.refusal });
});

test("a wrong method on a known path is answered with the allowed ones", async () => {
  await using server = await testServer();
  for (const [method, path, allow] of [
    ["PUT", transcriptions, "POST, GET, HEAD, OPTIONS"],
    ["POST", `${transcriptions}/task_1`, "GET, HEAD, DELETE, OPTIONS"],
    ["DELETE", "/v1/audio/translations", "POST, OPTIONS"],
    ["POST", "/v1/models", "GET, HEAD, OPTIONS"],
    ["PUT", "/v1/models/some/name", "GET, HEAD, DELETE, OPTIONS"],
    ["POST", "/health", "GET, HEAD, OPTIONS"],
  ] as const) {
    const response = await server.fetch(path, { method });
    expect([path, response.status, response.headers.get("allow")]).toEqual([path, 405, allow]);
  }
});

test("HEAD answers as GET does, without a body", async () => {
  await using server = await testServer();
  for (const [path, status] of [
    ["/health", 200],
    ["/v1/models/whisper-1", 200],
    ["/v1/models/nobody", 404],
    ["/nowhere", 404],
  ] as const) {
    const response = await server.fetch(path, { method: "HEAD" });
    expect([path, response.status, await response.text()]).toEqual([path, status, ""]);
  }
});

test("a full server says when to come back, within the minute that clients honour", async () => {
  for (const [seconds, expected, expectedMs] of [
    [undefined, "1", "1000"],
    [0.2, "1", "200"],
    [7, "7", "7000"],
    [3600, "60", "60000"],
  ] as const) {
    const engine = new FakeEngine();
    engine.refusal = new AppError("server_overloaded", "Too many requests are waiting", {
      ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
    });
    await using server = await testServer({ engine });
    const { status, headers } = await server.fetch(transcriptions, form());
    expect(status).toBe(503);
    expect(headers.get("retry-after")).toBe(expected);
    expect(headers.get("retry-after-ms")).toBe(expectedMs);
    expect(headers.get("x-should-retry")).toBe("true");
  }
});

test("a budget that fills later than clients wait is told as it is, and not waited for", () => {
  for (const [seconds, expected, isWaitedFor] of [
    [60, "60", "true"],
    [61, "61", "false"],
    [3599.5, "3600", "false"],
  ] as const) {
    const error = new AppError("rate_limit_exceeded", "why", { retryAfterSeconds: seconds });
    const { headers } = errorResponse(error);
    expect(headers.get("retry-after")).toBe(expected);
    expect(headers.get("retry-after-ms")).toBe(`${seconds * 1000}`);
    expect(headers.get("x-should-retry")).toBe(isWaitedFor);
  }
});

test("retry hints ask for a retry after 429 and 503, and deny one that clients would make in vain", () => {
  for (const code of Object.keys(catalogue) as (keyof typeof catalogue)[]) {
    const { status, headers } = errorResponse(new AppError(code, "why"));
    expect(status).toBe(catalogue[code].status);
    const inVain = ["model_unavailable", "model_in_use", "model_download_failed", "task_not_finished"];
    const expected = inVain.includes(code) ? "false" : status === 429 || status === 503 ? "true" : null;
    expect([code, headers.get("x-should-retry")]).toEqual([code, expected]);
    expect(headers.has("retry-after")).toBe(expected === "true");
    expect(headers.get("connection")).toBe(code === "request_timeout" ? "close" : null);
  }
});

test("one line per request goes to the log, without query and keys", async () => {
  await using server = await testServer({ config: { apiKeys: ["right"] } });
  const response = await server.fetch("/v1/models?key=hidden", {
    headers: { authorization: "Bearer right" },
  });
  const body = await response.arrayBuffer();
  expect(server.log).toEqual([
    {
      level: "info",
      message: "request",
      fields: {
        requestId: response.headers.get("x-request-id"),
        caller: expect.stringMatching(/^key:[0-9a-f]{16}$/),
        method: "GET",
        path: "/v1/models",
        status: 200,
        ms: expect.any(Number),
        bytes: body.byteLength,
      },
    },
  ]);
  await server.fetch("/v1/models/Bearer", { headers: { authorization: "Bearer wrong-and-long-secret" } });
  expect(JSON.stringify(server.log)).not.toMatch(/hidden|right|wrong-and-long-secret/);
});

test("the line of a request that was refused says why, also where the answer had begun", async () => {
  await using server = await testServer();
  await server.fetch(transcriptions, form({ temperature: "2" }));
  server.engine.failure = new Error("broken");
  await (await server.fetch(transcriptions, form({ stream: "true" }))).text();
  const told = server.log.filter(({ message }) => message === "request").map(({ fields }) => fields);
  expect(told).toMatchObject([
    { status: 400, code: "invalid_value" },
    { status: 200, code: "internal_error" },
  ]);
});

test("a streamed response is logged at its end, with all its bytes", async () => {
  await using server = await testServer();
  const response = await server.fetch(transcriptions, form({ stream: "true" }));
  expect(server.log).toEqual([]);
  const body = await response.arrayBuffer();
  expect(server.log.map(({ fields }) => [fields.status, fields.bytes])).toEqual([[200, body.byteLength]]);
});
