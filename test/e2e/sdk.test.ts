/** What the official clients rely on beyond the text: errors, models, retries, and every way to give a file. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createReadStream } from "node:fs";
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError, toFile } from "openai";
import OpenAI6, { APIError as APIError6 } from "openai-6";
import { recording } from "../fixtures/index.ts";
import { type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

const { path, text } = recording("en-digits.wav");
const model = "whisper-1";
const key = "sk-of-the-tests";
let server: Server;

beforeAll(async () => {
  server = await startServer({ env: { API_KEY: `another-key,${key}` } });
});
afterAll(() => server[Symbol.asyncDispose]());

const clients = [
  ["openai 7", OpenAI, APIError],
  ["openai 6", OpenAI6 as unknown as typeof OpenAI, APIError6 as unknown as typeof APIError],
] as const;

async function errorOf(promise: Promise<unknown>): Promise<APIError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as APIError;
}

describe.each(clients)("%s", (_, Client, ClientError) => {
  const client = (options: ConstructorParameters<typeof OpenAI>[0] = {}) =>
    new Client({ apiKey: key, baseURL: `${server.url}/v1`, maxRetries: 0, ...options });

  test("sends a file as a stream, a Buffer, a Blob, a File and a Response", async () => {
    const bytes = await Bun.file(path).bytes();
    const files = [
      createReadStream(path),
      await toFile(Buffer.from(bytes), "digits.wav"),
      await toFile(new Blob([bytes])),
      new File([bytes], 'quote " and é.mp3', { type: "audio/mpeg" }),
      new Response(bytes),
    ];
    for (const file of files) {
      const answer = await client().audio.transcriptions.create({ file, model, language: "en" });
      expect(answer.text).toBe(text);
    }
  });

  test("sees the id of its request", async () => {
    const file = createReadStream(path);
    const answer = await client().audio.transcriptions.create({ file, model, language: "en" });
    const id = (answer as { _request_id?: string })._request_id ?? "";
    expect(id).toMatch(/^req_[0-9a-f]{32}$/);
    const line = await server.logged(({ message, requestId }) => message === "request" && requestId === id);
    expect(line).toMatchObject({ status: 200, path: "/v1/audio/transcriptions" });
  });

  test.each(["json", "text", "verbose_json", "srt", "vtt"] as const)(
    "streams %s: the deltas add up to the last text, which is the whole answer",
    async (response_format) => {
      const request = { model, language: "en", response_format, temperature: 0 };
      const file = () => createReadStream(recording("en-segments.wav").path);
      const whole = await client().audio.transcriptions.create({ ...request, file: file() });
      const expected = typeof whole === "string" ? whole : whole.text;
      const deltas: string[] = [];
      const others: string[] = [];
      let done = "";
      for await (const event of await client().audio.transcriptions.create({
        ...request,
        file: file(),
        stream: true,
      })) {
        if (event.type === "transcript.text.delta") deltas.push(event.delta);
        else others.push(event.type);
        if (event.type === "transcript.text.done") done = event.text;
      }
      expect(deltas.join("")).toBe(done);
      expect(done.trimEnd()).toBe(expected.trimEnd());
      // words one by one, cues as a whole
      const { segments } = recording("en-segments.wav");
      expect(deltas.length).toBeGreaterThanOrEqual(segments.length);
      if (!["srt", "vtt"].includes(response_format))
        expect(deltas.length).toBeGreaterThan(2 * segments.length);
      if (response_format === "verbose_json") {
        expect(others.filter((type) => type === "transcript.text.segment")).toHaveLength(segments.length);
      }
    },
  );

  test("streams log-probabilities of each delta's tokens, all of them once", async () => {
    const file = createReadStream(path);
    const include = ["logprobs" as const];
    const perDelta: string[] = [];
    let all: string[] = [];
    for await (const event of await client().audio.transcriptions.create({
      file,
      model,
      include,
      stream: true,
    })) {
      const tokens = "logprobs" in event ? (event.logprobs ?? []).map(({ token = "" }) => token) : [];
      if (event.type === "transcript.text.delta") perDelta.push(...tokens);
      if (event.type === "transcript.text.done") all = tokens;
    }
    expect(all.join("").trim()).toBe(text);
    expect(perDelta).toEqual(all);
  });

  test("streams what later attempts say, when the first ones fail", async () => {
    const file = createReadStream(path);
    // no decoding is as probable as that: all six attempts are made
    const request = { file, model, language: "en", logprob_threshold: "0", no_speech_threshold: "1" };
    let deltas = "";
    let done = "";
    for await (const event of await client().audio.transcriptions.create({ ...request, stream: true })) {
      if (event.type === "transcript.text.delta") deltas += event.delta;
      if (event.type === "transcript.text.done") done = event.text;
    }
    expect(done).not.toBe("");
    expect(deltas).toBe(done);
  });

  test("reads a stream to its end, and may leave it", async () => {
    const create = () =>
      client().audio.transcriptions.create({
        file: createReadStream(recording("en-segments.mp3").path),
        model,
        stream: true,
      });
    const types: string[] = [];
    for await (const event of await create()) types.push(event.type);
    expect(types.pop()).toBe("transcript.text.done");
    expect(new Set(types)).toEqual(new Set(["transcript.text.delta", "transcript.progress"]));
    for await (const _ of await create()) break;
  });

  test("lists the loaded model and the names that clients hard-code", async () => {
    const found = [];
    for await (const each of client().models.list()) found.push(each);
    expect(found.map(({ id }) => id)).toEqual(
      expect.arrayContaining(["demo", "whisper-1", "gpt-4o-transcribe"]),
    );
    for (const each of found) {
      expect(each).toMatchObject({
        object: "model",
        created: expect.any(Number),
        owned_by: expect.any(String),
      });
    }
  });

  test("retrieves a model by its name", async () => {
    expect(await client().models.retrieve("demo")).toMatchObject({
      id: "demo",
      object: "model",
      multilingual: true,
      warning: expect.stringContaining("demo"),
    });
    expect(await client().models.retrieve("whisper-1")).toMatchObject({ id: "whisper-1", alias_of: "demo" });
  });

  test.each(["gpt-5", "Systran/faster-whisper-small", "demo "])(
    "is told that %p does not exist",
    async (name) => {
      const error = await errorOf(client().models.retrieve(name));
      expect(error).toBeInstanceOf(ClientError);
      expect(error.constructor.name).toBe(NotFoundError.name);
      expect(error).toMatchObject({
        status: 404,
        code: "model_not_found",
        param: "model",
        type: "invalid_request_error",
        message: `404 The model '${name}' does not exist`,
        requestID: expect.stringMatching(/^req_/),
      });
    },
  );

  test("is told of a wrong key, which is not shown", async () => {
    for (const apiKey of ["wrong", "sk-a-much-longer-wrong-key", `${key}x`]) {
      const file = createReadStream(path);
      const error = await errorOf(client({ apiKey }).audio.transcriptions.create({ file, model }));
      expect(error.constructor.name).toBe(AuthenticationError.name);
      expect(error).toMatchObject({ status: 401, code: "invalid_api_key", param: null });
      expect(error.message).not.toContain(apiKey);
      expect(error.requestID).toMatch(/^req_/);
    }
  });

  test("may use any of the keys", async () => {
    const page = await client({ apiKey: "another-key" }).models.list();
    expect(page.data.length).toBeGreaterThan(0);
  });

  test("is told which field is wrong", async () => {
    const file = await toFile(await Bun.file(path).bytes(), "a.wav");
    const error = await errorOf(client().audio.transcriptions.create({ file, model, temperature: 1.5 }));
    expect(error.constructor.name).toBe(BadRequestError.name);
    expect(error).toMatchObject({
      status: 400,
      code: "invalid_value",
      param: "temperature",
      type: "invalid_request_error",
      message: '400 Expected a number from 0 to 1 for temperature but received "1.5"',
    });
  });

  test("is told before the stream begins when there will be none", async () => {
    const file = await toFile(new Blob(["no audio"]), "a.wav");
    const error = await errorOf(client().audio.transcriptions.create({ file, model, stream: true }));
    expect(error).toMatchObject({ status: 400, code: "invalid_file_format", param: "file" });
  });

  test("does not try again what cannot succeed", async () => {
    const before = server.log().length;
    const file = await toFile(new Blob(["no audio"]), "a.wav");
    await errorOf(client({ maxRetries: 2 }).audio.transcriptions.create({ file, model }));
    await errorOf(client({ maxRetries: 2, apiKey: "wrong" }).models.list() as unknown as Promise<unknown>);
    // a request of our own, to be sure that all lines before it are there
    const { headers } = await fetch(`${server.url}/v1/models`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const last = headers.get("x-request-id");
    await server.logged(({ message, requestId }) => message === "request" && requestId === last);
    const requests = server
      .log()
      .slice(before)
      .filter(({ message }) => message === "request");
    expect(requests.map(({ status }) => status)).toEqual([400, 401, 200]);
  });
});

describe("without a key", () => {
  test.each(["/health", "/ready", "/docs", "/docs/json", "/"])("%s is open", async (route) => {
    expect((await fetch(server.url + route)).status).toBe(200);
  });

  test.each([
    "GET /v1/models",
    "GET /v1/models/",
    "GET //v1/models",
    "GET /v1/models/demo",
    "GET /v1/models/a/b",
    "POST /v1/audio/transcriptions",
    "POST /v1/audio/translations",
  ])("%s is closed", async (line) => {
    const [method = "", route = ""] = line.split(" ");
    const response = await fetch(server.url + route, { method });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(await response.json()).toEqual({
      error: {
        message: expect.stringContaining("Authorization: Bearer"),
        type: "invalid_request_error",
        param: null,
        code: "invalid_api_key",
      },
    });
  });

  test.each([
    "GET /V1/models",
    "GET /v1/%6dodels",
    "GET /v1/nothing",
    "PUT /v1/models",
    "GET /v1/audio/transcriptions",
  ])("%s says nothing of the models", async (line) => {
    const [method = "", route = ""] = line.split(" ");
    const response = await fetch(server.url + route, { method });
    expect([401, 404, 405]).toContain(response.status);
    expect(await response.text()).not.toContain("demo");
  });

  test("an upload is refused before it was received", async () => {
    const body = new FormData();
    body.append("file", new Blob([new Uint8Array(40_000_000)]), "large.wav");
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", body });
    expect(response.status).toBe(401);
    expect(await server.leftovers()).toEqual([]);
  });

  test("no key is in the log", () => {
    expect(JSON.stringify(server.log())).not.toContain(key);
  });
});

/** OpenAPI, as far as it is looked at here. */
interface Description {
  readonly paths: Record<
    string,
    {
      readonly post: {
        readonly requestBody: {
          readonly content: Record<string, { readonly schema: { readonly properties: object } }>;
        };
        readonly responses: object;
      };
    }
  >;
}

test("the description of the API knows every route, field and error", async () => {
  const json = (await (await fetch(`${server.url}/docs/json`)).json()) as Description;
  expect(Object.keys(json.paths)).toEqual(
    expect.arrayContaining([
      "/v1/audio/transcriptions",
      "/v1/audio/translations",
      "/v1/models",
      "/health",
      "/ready",
    ]),
  );
  const { requestBody, responses } = json.paths["/v1/audio/transcriptions"]?.post ?? {};
  const fields = Object.keys(requestBody?.content["multipart/form-data"]?.schema.properties ?? {});
  expect(fields).toEqual(expect.arrayContaining(["file", "model", "language", "response_format", "stream"]));
  expect(Object.keys(responses ?? {})).toEqual(
    expect.arrayContaining(["200", "400", "401", "404", "408", "413", "415", "503"]),
  );
});

test("web pages may call it", async () => {
  const preflight = await fetch(`${server.url}/v1/audio/transcriptions`, {
    method: "OPTIONS",
    headers: {
      origin: "https://app.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization",
    },
  });
  expect(preflight.status).toBeWithin(200, 205);
  expect(["*", "https://app.example"]).toContain(preflight.headers.get("access-control-allow-origin") ?? "");
  expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
  expect(preflight.headers.get("access-control-allow-headers")?.toLowerCase()).toMatch(/\*|authorization/);
});
