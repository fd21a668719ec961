import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openRemote, serverAddress } from "../../../src/cli/transcription/remote.ts";
import { bodyOf, type Payload } from "../../../src/cli/transcription/transcriber.ts";

const done = 'data: {"type":"transcript.text.done","text":"Hello."}\r\n\r\n';
const delta = 'data: {"type":"transcript.text.delta","delta":"Hel"}\r\n\r\n';

const answers: Readonly<Record<string, () => Response>> = {
  whole: () => stream(`: ping\r\n\r\n${delta}${done}data: [DONE]\r\n\r\n`),
  broken: () => stream(delta),
  failing: () => stream(`${delta}data: {"error":{"message":"The model has gone"}}\r\n\r\n`),
  garbage: () => stream("data: {\r\n\r\n"),
  other: () => Response.json({ text: "Hello." }),
  page: () => new Response("<h1>Bad gateway</h1>", { status: 502 }),
  empty: () => new Response(null, { status: 500 }),
};

const stream = (text: string) => new Response(text, { headers: { "content-type": "text/event-stream" } });

let server: ReturnType<typeof Bun.serve>;
let posted: { path: string; key: string | null; form: FormData } = {
  path: "",
  key: null,
  form: new FormData(),
};

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const [, name = "", path = ""] = /^\/(\w+)(\/.*)$/.exec(pathname) ?? [];
      posted = {
        path,
        key: request.headers.get("authorization"),
        form: (await request.formData()) as FormData,
      };
      return (answers[name] as () => Response)();
    },
  });
});

afterAll(() => server.stop(true));

async function ask(name: string, isTranslation = false): Promise<Payload[]> {
  const address = serverAddress(`127.0.0.1:${server.port}/${name}/v1/`, "the-key");
  const payloads = openRemote(address).transcribe({
    path: import.meta.path,
    name: "talk.mp3",
    isTranslation,
    fields: new Map([
      ["language", ["de"]],
      ["keywords", ["Bun", "Elysia"]],
    ]),
    shown: true,
    signal: new AbortController().signal,
  });
  return Array.fromAsync(payloads);
}

describe("a server that is asked", () => {
  test.each([
    ["broken", "The answer broke off before the end of the transcript"],
    ["failing", "The model has gone"],
    ["garbage", "no transcript"],
    ["other", "does not stream transcripts"],
    ["page", "<h1>Bad gateway</h1>"],
    ["empty", "The server answered 500"],
  ])("and gives a %s answer has failed", async (name, message) => {
    await expect(ask(name)).rejects.toThrow(message);
  });

  test("gets the fields, the file and the key", async () => {
    await ask("whole");
    expect(posted.path).toBe("/v1/audio/transcriptions");
    expect(posted.key).toBe("Bearer the-key");
    expect(Array.from(posted.form.keys())).toEqual([
      "language",
      "keywords[]",
      "keywords[]",
      "stream",
      "file",
    ]);
    expect((posted.form.get("file") as File).name).toBe("talk.mp3");
    await ask("whole", true);
    expect(posted.path).toBe("/v1/audio/translations");
  });

  test("gives the objects of its stream, without comments and its end mark", async () => {
    expect((await ask("whole")).map(({ type }) => type)).toEqual([
      "transcript.text.delta",
      "transcript.text.done",
    ]);
  });
});

test.each([
  ["localhost:8000", "http://localhost:8000"],
  ["https://speech.example/", "https://speech.example"],
  ["https://example/asr/v1/", "https://example/asr"],
])("the address %p is %p", (written, url) => {
  expect(serverAddress(written, undefined).url).toBe(url);
});

test.each(["ftp://host", "http://", "not a host"])("%p is no address", (written) => {
  expect(() => serverAddress(written, undefined)).toThrow("Expected the address of a server for --host");
});

test("a body is made of the end of a stream, and of nothing less", () => {
  expect(() => bodyOf([{ type: "transcript.text.delta", delta: "a" }], "text")).toThrow(
    "transcript.text.done",
  );
  expect(bodyOf([{ type: "transcript.text.done", text: "a" }], "text")).toBe("a\n");
});
