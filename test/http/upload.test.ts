import { expect, test } from "bun:test";
import { boundary, closing, contentType, fieldPart, filePart, inPieces, part } from "../helpers/multipart.ts";
import { errorOf, form, type TestServer, testServer } from "../helpers/server.ts";

const path = "/v1/audio/transcriptions";

function post(server: TestServer, body: RequestInit["body"], type = contentType): Promise<Response> {
  return server.fetch(path, { method: "POST", body: body ?? null, headers: { "content-type": type } });
}

async function refusal(server: TestServer, body: RequestInit["body"], type = contentType) {
  const response = await post(server, body, type);
  const { code, param, message } = await errorOf(response);
  return { status: response.status, code, param, message };
}

/** What the engine was last given. */
const heard = (server: TestServer) => new TextDecoder().decode(server.engine.requests.at(-1)?.audio);

test("the file arrives byte for byte, wherever it stands among the fields", async () => {
  await using server = await testServer();
  const file = filePart("\r\n--half a boundary\0\xff");
  const fields = [fieldPart("language", "de"), fieldPart("prompt", "Grüße")];
  for (const body of [
    [file, ...fields],
    [...fields, file],
    [fields[0], file, fields[1]],
  ]) {
    expect((await post(server, body.join("") + closing)).status).toBe(200);
    expect(heard(server)).toBe("\r\n--half a boundary\0\xff");
    expect(server.engine.requests.at(-1)?.options).toMatchObject({ language: "de", prompt: "Grüße" });
  }
});

test("it does not matter how the network cuts the body", async () => {
  await using server = await testServer();
  const body =
    fieldPart("prompt", "Grüße") +
    filePart("audio".repeat(20), "日本.wav") +
    fieldPart("language", "de") +
    closing;
  for (const size of [1, 2, 3, 5, 8, 13, 100, 1000]) {
    expect((await post(server, inPieces(body, size))).status).toBe(200);
    expect(heard(server)).toBe("audio".repeat(20));
    expect(server.engine.requests.at(-1)?.options).toMatchObject({ language: "de", prompt: "Grüße" });
  }
});

test("a body that is cut off anywhere is malformed", async () => {
  await using server = await testServer();
  const body = filePart("audio") + fieldPart("language", "de") + closing;
  for (let length = 0; length < body.length - 2; length += 3) {
    const { status, code } = await refusal(server, inPieces(body.slice(0, length), 50));
    expect([length, status, code]).toEqual([length, 400, "invalid_multipart"]);
  }
  expect(server.engine.requests).toEqual([]);
});

test("a body that is no multipart at all is malformed", async () => {
  await using server = await testServer();
  for (const body of ["", "garbage", "\r\n", `--${boundary}`, "{}", "x".repeat(200_000)]) {
    expect(await refusal(server, body)).toMatchObject({
      status: 400,
      code: "invalid_multipart",
      param: null,
    });
  }
});

test("part headers that make no sense are malformed or read over, and never an error of ours", async () => {
  await using server = await testServer();
  for (const headers of [
    "constructor: x",
    "__proto__: x",
    ": x",
    "no colon",
    "Content-Disposition: form-data",
    "Content-Disposition: form-data; name=",
    'Content-Disposition: form-data; name="__proto__"',
    'Content-Disposition: form-data; name="constructor"',
    'Content-Disposition: attachment; name="file"',
    `Content-Disposition: form-data; name="${"n".repeat(70_000)}"`,
    'Content-Disposition: form-data; name="model"\r\nContent-Type: text/plain; charset=klingon',
    "Content-Disposition: form-data; name=\"x\"; filename*=UTF-8''%zz",
  ]) {
    for (const body of [
      part(headers, "v") + filePart("audio") + closing,
      filePart("audio") + part(headers, "v") + closing,
    ]) {
      const response = await post(server, inPieces(body, 40));
      expect([headers, [200, 400].includes(response.status)]).toEqual([headers, true]);
      if (response.status === 400) expect((await errorOf(response)).code).toBe("invalid_multipart");
    }
  }
});

test("a part whose headers never end is refused, not waited for", async () => {
  await using server = await testServer();
  const body = `${filePart("audio")}--${boundary}\r\nContent-Disposition: form-data; name="language"\r\nen\r\n${closing}`;
  expect(await refusal(server, body)).toMatchObject({ status: 400, code: "invalid_multipart" });
});

test("another content type is refused with the expected one", async () => {
  await using server = await testServer();
  for (const type of [
    "application/json",
    "audio/wav",
    "multipart/mixed; boundary=x",
    "multipart/form-datax",
    "",
  ]) {
    expect(await refusal(server, "{}", type)).toEqual({
      status: 415,
      code: "unsupported_media_type",
      param: null,
      message: `Expected multipart/form-data for content-type but received ${JSON.stringify(type)}`,
    });
  }
});

test("a content type without a boundary is malformed", async () => {
  await using server = await testServer();
  for (const type of ["multipart/form-data", "multipart/form-data; charset=utf-8", "Multipart/Form-Data;"]) {
    expect(await refusal(server, filePart("audio") + closing, type)).toMatchObject({
      status: 400,
      code: "invalid_multipart",
    });
  }
});

test("a request without a body is malformed", async () => {
  await using server = await testServer();
  expect(await refusal(server, null)).toMatchObject({ status: 400, code: "invalid_multipart" });
});

test("a form without a file says so", async () => {
  await using server = await testServer();
  for (const body of [
    closing,
    fieldPart("model", "whisper-1") + closing,
    filePart("audio", "a.wav", "audio") + closing,
  ]) {
    expect(await refusal(server, body)).toEqual({
      status: 400,
      code: "missing_required_parameter",
      param: "file",
      message: "Expected an audio file for file but received none",
    });
  }
});

test("a file that is empty, sent as text, or sent twice is refused", async () => {
  await using server = await testServer();
  for (const [body, received] of [
    [filePart(""), "an audio file for file but received an empty one"],
    [fieldPart("file", "speech.wav"), "a file part for file but received a text field"],
    [filePart("a") + fieldPart("file", "b"), "a file part for file but received a text field"],
    [filePart("a") + filePart("b"), "one file for file but received several"],
    [filePart("a") + filePart("b", "b.wav", "file[]"), "one file for file but received several"],
  ]) {
    expect(await refusal(server, body + closing)).toEqual({
      status: 400,
      code: "invalid_value",
      param: "file",
      message: `Expected ${received}`,
    });
  }
});

test("a text field that is sent as a file is refused", async () => {
  await using server = await testServer();
  const body = filePart("audio") + filePart("hello", "prompt.txt", "prompt") + closing;
  expect(await refusal(server, body)).toMatchObject({ status: 400, code: "invalid_value", param: "prompt" });
});

test("the name of the file is never part of a path", async () => {
  await using server = await testServer();
  for (const name of [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "a\0b",
    "",
    "x".repeat(5000),
    "%2e%2e%2f",
  ]) {
    const response = await server.fetch(path, form({}, "audio"));
    expect(response.status).toBe(200);
    await post(server, filePart("audio", name) + closing);
    for (const request of server.engine.requests) {
      expect(request.path.slice(server.uploadDir.length)).toMatch(
        /^\/whisper-upload-[0-9a-f]{8}-\d+-[0-9a-f]{32}$/,
      );
    }
  }
});

test("a file of exactly the limit passes, one byte more does not", async () => {
  await using server = await testServer({ config: { maxFileSize: 1000 } });
  expect((await server.fetch(path, form({}, "x".repeat(1000)))).status).toBe(200);
  const response = await server.fetch(path, form({}, "x".repeat(1001)));
  expect(response.status).toBe(413);
  expect(await errorOf(response)).toEqual({
    message: "Expected at most 1000 bytes for file but received more",
    type: "invalid_request_error",
    param: "file",
    code: "request_too_large",
  });
});

test("a text field of more than 64 KiB is refused by name", async () => {
  await using server = await testServer();
  expect((await server.fetch(path, form({ prompt: "x".repeat(65_536) }))).status).toBe(200);
  for (const length of [65_537, 30_000_000]) {
    const response = await server.fetch(path, form({ prompt: "x".repeat(length) }));
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "field_too_large", param: "prompt" });
  }
});

test("many fields that are large together are refused", async () => {
  await using server = await testServer();
  const response = await server.fetch(path, form({ keywords: Array(30).fill("x".repeat(60_000)) }));
  expect(await errorOf(response)).toMatchObject({ code: "field_too_large", param: "keywords" });
});

test("too many parts are refused", async () => {
  await using server = await testServer();
  const init = (count: number) => form({ unknown: Array(count).fill("x") });
  expect((await server.fetch(path, init(150))).status).toBe(200);
  const response = await server.fetch(path, init(500));
  expect(response.status).toBe(400);
  expect((await errorOf(response)).code).toBe("invalid_multipart");
});

test("large parts that nobody asked for are read over", async () => {
  await using server = await testServer();
  const voice = `data:audio/wav;base64,${"A".repeat(600_000)}`;
  const body = form({ known_speaker_references: [voice, voice], unknown: "x".repeat(100_000) });
  expect((await server.fetch(path, body)).status).toBe(200);
});

test("an upload directory that does not exist is made", async () => {
  await using server = await testServer();
  const uploadDir = `${server.uploadDir}/a/b`;
  await using nested = await testServer({ config: { uploadDir } });
  expect((await nested.fetch(path, form())).status).toBe(200);
  expect(nested.engine.requests[0]?.path).toStartWith(`${uploadDir}/`);
  await Bun.$`rmdir ${uploadDir} ${server.uploadDir}/a`;
});

test("an upload directory that cannot be written is our error, not the client's", async () => {
  await using server = await testServer({ config: { uploadDir: "/dev/null/uploads" } });
  const response = await server.fetch(path, form());
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("/dev/null");
});

test("random damage never crashes, hangs or leaves a file", async () => {
  await using server = await testServer();
  const whole =
    fieldPart("model", "whisper-1") + filePart("audio ".repeat(10)) + fieldPart("language", "en") + closing;
  const noise = new TextEncoder().encode('\r\n-:"\0;=');
  let state = 7;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fffffff;
    return state % below;
  };
  for (let round = 0; round < 400; round++) {
    const bytes = new TextEncoder().encode(whole);
    for (let hits = 0; hits <= random(4); hits++)
      bytes[random(bytes.length)] = noise[random(noise.length)] ?? 0;
    const response = await post(server, inPieces(new TextDecoder().decode(bytes), 1 + random(200)));
    expect(response.status).toBeLessThan(500);
    await response.arrayBuffer();
  }
});
