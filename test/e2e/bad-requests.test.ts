/** Fields, bodies and routes that clients get wrong, by mistake or on purpose: each a clear refusal, and the server goes on. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import {
  expectRefusal,
  invalid,
  itGoesOn,
  post,
  type Refusal,
  send,
  speech,
  startStrictServer,
} from "./refusals.ts";
import { eventually, type Server } from "./server.ts";

setDefaultTimeout(60_000);

let server: Server;

beforeAll(async () => {
  server = await startStrictServer();
});
afterAll(() => server[Symbol.asyncDispose]());

describe("a field", () => {
  test.each([
    [
      "response_format",
      "xml",
      invalid(
        "response_format",
        'Expected one of json, text, srt, verbose_json, vtt, diarized_json for response_format but received "xml"',
      ),
    ],
    [
      "temperature",
      "1.5",
      invalid("temperature", 'Expected a number from 0 to 1 for temperature but received "1.5"'),
    ],
    [
      "temperature",
      "warm",
      invalid("temperature", 'Expected a number from 0 to 1 for temperature but received "warm"'),
    ],
    [
      "temperature",
      "NaN",
      invalid("temperature", 'Expected a number from 0 to 1 for temperature but received "NaN"'),
    ],
    ["stream", "maybe", invalid("stream", 'Expected true or false for stream but received "maybe"')],
    [
      "beam_size",
      "9",
      invalid("beam_size", 'Expected an integer from 1 to 8 for beam_size but received "9"'),
    ],
    [
      "timestamp_granularities[]",
      "sentence",
      invalid(
        "timestamp_granularities",
        'Expected one of word, segment for timestamp_granularities but received "sentence"',
      ),
    ],
    [
      "timestamp_granularities[]",
      "word",
      invalid(
        "timestamp_granularities",
        'Expected word only with response_format verbose_json for timestamp_granularities but received "json"',
      ),
    ],
    [
      "chunking_strategy",
      "{",
      invalid(
        "chunking_strategy",
        'Expected auto or an object of type server_vad for chunking_strategy but received "{"',
      ),
    ],
    [
      "include[]",
      "everything",
      invalid("include", 'Expected one of logprobs for include but received "everything"'),
    ],
    [
      "language",
      "xx",
      {
        status: 400,
        code: "invalid_language_format",
        param: "language",
        message: 'Expected an ISO 639-1 code for language but received "xx"',
      },
    ],
    [
      "model",
      "gpt-5",
      { status: 404, code: "model_not_found", param: "model", message: "The model 'gpt-5' does not exist" },
    ],
  ] as [string, string, Refusal][])("%s: %s is refused", async (name, value, expected) => {
    expectRefusal(await post(server, { [name]: value, file: speech }), expected);
    expectRefusal(await post(server, { file: speech, [name]: value }), expected);
  });

  test("prompt of 30 MB is refused", async () => {
    const answer = await post(server, { file: speech, prompt: "a".repeat(30_000_000) });
    expectRefusal(answer, {
      status: answer.status === 413 ? 413 : 400,
      code: answer.status === 413 ? "request_too_large" : "field_too_large",
      param: answer.status === 413 ? "file" : "prompt",
      message: /^Expected at most \d+ bytes/,
    });
  });

  test.each([
    ["one letter", "a"],
    ["words", "Hello Anna. "],
    ["spaces", " "],
  ])("prompt as long as it may be (%s) is cut, and does not end the server", async (_, unit) => {
    const prompt = unit.repeat(Math.floor(60_000 / unit.length));
    const { status, body } = await post(server, { file: speech, prompt, language: "en" });
    expect({ status, text: body.text }).toEqual({ status: 200, text: "One two three four five." });
  });
});

describe("a body", () => {
  const unsupported = (received: string): Refusal => ({
    status: 415,
    code: "unsupported_media_type",
    param: null,
    message: `Expected multipart/form-data for content-type but received "${received}"`,
  });
  const malformed: Refusal = {
    status: 400,
    code: "invalid_multipart",
    param: null,
    message: /^Expected a multipart\/form-data body but received /,
  };
  const type = (value: string) => ({ "content-type": value });

  test.each([
    ["of JSON", { body: "{}", headers: type("application/json") }, unsupported("application/json")],
    ["of a bare recording", { body: speech, headers: type("audio/wav") }, unsupported("audio/wav")],
    [
      "of a plain form",
      { body: "model=whisper-1", headers: type("application/x-www-form-urlencoded") },
      unsupported("application/x-www-form-urlencoded"),
    ],
    ["without a boundary", { body: "--x--", headers: type("multipart/form-data") }, malformed],
    ["that is no multipart", { body: "hello", headers: type("multipart/form-data; boundary=x") }, malformed],
    [
      "that breaks off",
      {
        body: `--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF`,
        headers: type("multipart/form-data; boundary=x"),
      },
      malformed,
    ],
    [
      "of three hundred parts",
      {
        body: `${`--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n`.repeat(300)}--x--\r\n`,
        headers: type("multipart/form-data; boundary=x"),
      },
      malformed,
    ],
  ] as [string, RequestInit, Refusal][])("%s is refused", async (_, init, expected) => {
    expectRefusal(await send(server, init), expected);
  });

  test("that is missing is refused", async () => {
    const { status, body } = await send(server, { headers: type("multipart/form-data; boundary=x") });
    expect({ status, code: body.error?.code }).toEqual({ status: 400, code: "invalid_multipart" });
  });

  /** Speaks HTTP by hand; gives all that came back until the server closed the connection or answered. */
  function raw(head: string, until: (text: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = "";
      const socket = connect(server.port, "127.0.0.1", () => socket.write(head));
      socket.setEncoding("latin1");
      socket.on("data", (piece: string) => {
        text += piece;
        if (until(text)) socket.destroy();
      });
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });
  }

  const announced = (length: number) =>
    `POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n` +
    `Content-Length: ${length}\r\n\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF`;

  test("that stalls is refused with 408, and its connection closed", async () => {
    const answer = await raw(announced(100_000), (text) => text.includes('"request_timeout"'));
    expect(answer).toStartWith("HTTP/1.1 408 ");
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(await server.leftovers()).toEqual([]);
  });

  test("that announces too much is refused before it is sent", async () => {
    const answer = await raw(announced(10 ** 12), (text) => text.includes('"request_too_large"'));
    expect(answer).toStartWith("HTTP/1.1 413 ");
  });

  test("whose sender goes away leaves nothing", async () => {
    const gone = Promise.withResolvers<void>();
    const socket = connect(server.port, "127.0.0.1", () =>
      socket.write(announced(100_000), () => socket.destroy()),
    );
    socket.on("close", () => gone.resolve());
    await gone.promise;
    await server.logged(({ message, status }) => message === "request" && status === 499);
    expect(await eventually(server.leftovers, (names) => names.length === 0)).toEqual([]);
  });
});

test.each([
  ["GET", "/v1/nothing", 404, "not_found"],
  ["GET", "/nothing", 404, "not_found"],
  ["GET", "/v1/audio/translations", 405, "method_not_allowed"],
  ["DELETE", "/health", 405, "method_not_allowed"],
  ["GET", "/v1/models/nothing", 404, "model_not_found"],
  ["GET", "/v1/models/%FF", 404, "model_not_found"],
])("%s %s is answered in OpenAI's words: %i %s", async (method, route, status, code) => {
  const response = await fetch(server.url + route, { method });
  expect(response.status).toBe(status);
  expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  expect(await response.json()).toEqual({
    error: {
      message: expect.any(String),
      type: "invalid_request_error",
      param: code === "model_not_found" ? "model" : null,
      code,
    },
  });
});

itGoesOn(() => server);
