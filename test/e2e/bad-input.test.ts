/** What clients send by mistake or on purpose: each a clear refusal, nothing lost, nothing left, and the server goes on. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { native } from "../../src/native.ts";
import { wav } from "../fixtures/encodings.ts";
import { recording } from "../fixtures/index.ts";
import { type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

const maxFileSize = 2_000_000;
let server: Server;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "whisper-bad-"));
  server = await startServer({
    env: { MAX_FILE_SIZE: String(maxFileSize), MAX_DURATION: "60s", UPLOAD_TIMEOUT: "1s" },
  });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

type Content = Blob | Uint8Array<ArrayBuffer> | string;

const speech = await Bun.file(recording("en-digits.wav").path).bytes();
const bytesOf = (name: string) => Bun.file(recording(name).path).bytes();

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly text?: string;
    readonly error?: { message: string; type: string; param: string | null; code: string };
  };
}

async function send(init: RequestInit): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", ...init });
  expect(response.headers.get("content-type")).toStartWith("application/json");
  expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer["body"],
  };
}

/** A form with these parts; a string is a text field, all else a file; a list repeats the part. */
function post(parts: Record<string, Content | readonly Content[]>): Promise<Answer> {
  const body = new FormData();
  for (const [name, contents] of Object.entries(parts)) {
    for (const content of [contents].flat() as Content[]) {
      if (typeof content === "string") body.append(name, content);
      else body.append(name, content instanceof Blob ? content : new Blob([content]), "speech.wav");
    }
  }
  return send({ body });
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly message: string | RegExp;
}

function expectRefusal({ status, body }: Answer, expected: Refusal): void {
  expect({ status, ...body }).toEqual({
    status: expected.status,
    error: {
      message:
        expected.message instanceof RegExp ? expect.stringMatching(expected.message) : expected.message,
      type: "invalid_request_error",
      param: expected.param,
      code: expected.code,
    },
  });
}

const invalid = (param: string, message: string | RegExp): Refusal => ({
  status: 400,
  code: "invalid_value",
  param,
  message,
});

const aboutFile = (code: string, message: string | RegExp): Refusal => ({
  status: 400,
  code,
  param: "file",
  message,
});
const notAudio = aboutFile(
  "invalid_file_format",
  /^Invalid file format\. Supported formats: \["flac",.*"webm"\]/,
);

function lyingHeader(offset: number, value: number): Uint8Array<ArrayBuffer> {
  const copy = speech.slice();
  new DataView(copy.buffer).setUint32(offset, value, true);
  return copy;
}

const half = async (name: string) => {
  const bytes = await bytesOf(name);
  return bytes.slice(0, bytes.length >> 1);
};

describe("a file", () => {
  test.each([
    [
      "that is missing",
      () => ({ model: "whisper-1" }),
      {
        status: 400,
        code: "missing_required_parameter",
        param: "file",
        message: "Expected an audio file for file but received none",
      },
    ],
    [
      "that is empty",
      () => ({ file: new Blob([]) }),
      invalid("file", "Expected an audio file for file but received an empty one"),
    ],
    ["of text", () => ({ file: new Blob(["This is no audio. ".repeat(100)]) }), notAudio],
    ["of one byte", () => ({ file: new Blob(["R"]) }), notAudio],
    [
      "that is a playlist",
      () => ({
        file: new Blob([`#EXTM3U\n#EXTINF:3,\n${recording("en-digits.wav").path}\n#EXT-X-ENDLIST\n`]),
      }),
      notAudio,
    ],
    [
      "that is a script naming a file of the server",
      () => ({ file: new Blob([`ffconcat version 1.0\nfile '${recording("en-digits.wav").path}'\n`]) }),
      notAudio,
    ],
    [
      "that is half a wav",
      async () => ({ file: await half("en-digits.wav") }),
      aboutFile(
        "corrupt_audio",
        /^The recording breaks off after \d\.\d s of the 2\.7 s that its header declares$/,
      ),
    ],
    [
      "that is half an m4a",
      async () => ({ file: await half("en-segments.m4a") }),
      aboutFile("corrupt_audio", /damaged|breaks off/),
    ],
    [
      "with a header that promises an hour",
      () => ({ file: lyingHeader(40, 32_000 * 3600) }),
      aboutFile("corrupt_audio", /^The recording breaks off after 2\.7 s of the 3600\.0 s/),
    ],
    [
      "with a sample rate of 0",
      () => ({ file: lyingHeader(24, 0) }),
      aboutFile(native.info().ffmpeg ? "corrupt_audio" : "unsupported_media_type", /damaged|sample rate/),
    ],
    [
      "of no samples",
      () => ({ file: wav(new Int16Array(0)) }),
      aboutFile("audio_too_short", "Expected a recording of at least 100 ms but received one of 0 ms"),
    ],
    [
      "of 99 ms",
      () => ({ file: wav(new Int16Array(1584)) }),
      aboutFile("audio_too_short", "Expected a recording of at least 100 ms but received one of 99 ms"),
    ],
    [
      "that is too long",
      async () => ({ file: await bytesOf("en-long-95s.mp3") }),
      aboutFile("audio_too_long", "The recording is longer than 60.0 s, the limit of this server"),
    ],
    [
      "sent as text",
      () => ({ file: "speech.wav" }),
      invalid("file", "Expected a file part for file but received a text field"),
    ],
    [
      "that comes twice",
      () => ({ file: [speech, speech] }),
      invalid("file", "Expected one file for file but received several"),
    ],
    [
      "that is too large",
      () => ({ file: new Blob([new Uint8Array(maxFileSize + 1)]) }),
      {
        status: 413,
        code: "request_too_large",
        param: "file",
        message: `Expected at most ${maxFileSize} bytes for file but received more`,
      },
    ],
  ] as [string, () => Record<string, Content> | Promise<Record<string, Content>>, Refusal][])(
    "%s is refused",
    async (_, parts, expected) => {
      expectRefusal(await post(await parts()), expected);
    },
  );

  test("that breaks off as mp3 is refused, or transcribed as far as it goes", async () => {
    const answer = await post({ file: await half("en-segments.mp3"), language: "en" });
    if (answer.status === 200)
      expect(recording("en-segments.mp3").text).toStartWith(answer.body.text?.slice(0, 15) ?? "-");
    else expectRefusal(answer, aboutFile("corrupt_audio", /breaks off|damaged/));
  });

  test.skipIf(Bun.which("ffmpeg") === null || native.info().ffmpeg === null)(
    "of video without sound is refused (needs the ffmpeg command and a build with its libraries)",
    async () => {
      const path = join(directory, "silent.mp4");
      Bun.spawnSync([
        "ffmpeg",
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=64x64:duration=1",
        path,
      ]);
      const answer = await post({ file: await Bun.file(path).bytes() });
      expectRefusal(answer, aboutFile("no_audio_track", /audio/));
    },
  );
});

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
    expectRefusal(await post({ [name]: value, file: speech }), expected);
    expectRefusal(await post({ file: speech, [name]: value }), expected);
  });

  test("prompt of 30 MB is refused", async () => {
    const answer = await post({ file: speech, prompt: "a".repeat(30_000_000) });
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
    const { status, body } = await post({ file: speech, prompt, language: "en" });
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
    expectRefusal(await send(init), expected);
  });

  test("that is missing is refused", async () => {
    const { status, body } = await send({ headers: type("multipart/form-data; boundary=x") });
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
    const socket = connect(server.port, "127.0.0.1", () => socket.write(announced(100_000)));
    socket.on("close", () => gone.resolve());
    while ((await server.leftovers()).length === 0) await Bun.sleep(5);
    socket.destroy();
    await gone.promise;
    while ((await server.leftovers()).length > 0) await Bun.sleep(5);
    expect(await server.leftovers()).toEqual([]);
  });
});

test.each([
  ["GET", "/v1/nothing", 404, "not_found"],
  ["GET", "/nothing", 404, "not_found"],
  ["GET", "/v1/audio/transcriptions", 405, "method_not_allowed"],
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

test("after all that it still transcribes; nothing was left behind, and nothing went wrong inside", async () => {
  const { status, body } = await post({ file: speech });
  expect({ status, text: body.text }).toEqual({ status: 200, text: "One two three four five." });
  expect(await server.leftovers()).toEqual([]);
  expect(server.log().filter(({ level }) => level === "error" || level === "raw")).toEqual([]);
});
