/** The WebSocket around a live session, and the keys for it. */
import { afterEach, describe, expect, test } from "bun:test";
import { FakeEngine } from "../helpers/engine.ts";
import type { Sent } from "../helpers/live.ts";
import { errorOf, jsonOf, type TestServer, testServer } from "../helpers/server.ts";

const path = "/v1/realtime?intent=transcription";
const clients = new Set<Client>();
afterEach(() => {
  for (const client of clients) client.socket.terminate();
  clients.clear();
});

interface Wanted {
  readonly path?: string;
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
}

/** A connection whose events are read one by one. */
class Client {
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  private readonly events: Sent[] = [];
  private readonly waiting = new Set<() => void>();
  private isClosed = false;

  constructor(port: number, wanted: Wanted = {}) {
    clients.add(this);
    const { protocols = [], headers = {} } = wanted;
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${wanted.path ?? path}`, { protocols, headers });
    this.socket.onmessage = ({ data }) => {
      this.events.push(JSON.parse(data));
      this.wake();
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code, reason }) => {
        this.isClosed = true;
        this.wake();
        resolve({ code, reason });
      };
    });
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  /** Reads on to the next event of the type. */
  async next(type: string): Promise<Sent> {
    for (;;) {
      const event = this.events.shift();
      if (event?.type === type) return event;
      if (event) continue;
      if (this.isClosed) throw new Error(`Expected ${type} before the end`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  send(type: string, fields: object = {}): void {
    this.socket.send(JSON.stringify({ type, ...fields }));
  }

  append(ms: number): void {
    this.send("input_audio_buffer.append", { audio: Buffer.alloc(ms * 48).toString("base64") });
  }
}

const withKey = { config: { apiKeys: ["right", "other"] } };
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const manual = {
  session: {
    type: "transcription",
    audio: { input: { turn_detection: null, transcription: { model: "whisper-1" } } },
  },
};

test("a client that waits for nothing gets all it asked for", async () => {
  await using server = await testServer();
  const client = new Client(server.listen());
  client.socket.onopen = () => {
    client.send("session.update", manual);
    client.append(300);
    client.send("input_audio_buffer.commit");
  };
  await client.next("session.created");
  await client.next("session.updated");
  expect((await client.next("input_audio_buffer.committed")).previous_item_id).toBeNull();
  const { transcript } = await client.next("conversation.item.input_audio_transcription.completed");
  expect(transcript).toBe("Hello world.");
  expect(server.engine.passes).toHaveLength(1);
});

describe("a key", () => {
  test.each<[string, Wanted, string]>([
    ["in the header", { headers: bearer("right") }, ""],
    ["in a subprotocol", { protocols: ["realtime", "openai-insecure-api-key.right"] }, "realtime"],
    [
      "in a subprotocol of the beta",
      { protocols: ["realtime", "openai-insecure-api-key.other", "openai-beta.realtime-v1"] },
      "realtime",
    ],
  ])("%s opens a session", async (_, wanted, protocol) => {
    await using server = await testServer(withKey);
    const client = new Client(server.listen(), wanted);
    const isBeta = wanted.protocols?.includes("openai-beta.realtime-v1");
    await client.next(isBeta ? "transcription_session.created" : "session.created");
    expect(client.socket.protocol).toBe(protocol);
  });

  test.each([
    ["that is wrong", { protocols: ["realtime", "openai-insecure-api-key.wrong"] }],
    ["that is missing", { protocols: ["realtime"] }],
    ["that was never made", { headers: bearer("ek_0000") }],
  ])("%s is told over the socket, which then closes with 3000", async (_, wanted) => {
    await using server = await testServer(withKey);
    const client = new Client(server.listen(), wanted);
    expect((await client.next("error")).error).toMatchObject({
      type: "invalid_request_error",
      code: "invalid_api_key",
    });
    expect(await client.closed).toEqual({ code: 3000, reason: "invalid_request_error.invalid_api_key" });
    expect(server.engine.lives).toEqual([]);
  });

  test("does not enter the log", async () => {
    await using server = await testServer(withKey);
    const client = new Client(server.listen(), { protocols: ["realtime", "openai-insecure-api-key.right"] });
    await client.next("session.created");
    client.socket.close();
    await server.logged(({ message }) => message === "session ended");
    expect(JSON.stringify(server.log)).not.toContain("right");
  });
});

describe("the URL", () => {
  test.each([
    ["/v1/realtime", "missing_model"],
    ["/v1/realtime?call_id=call_1", "missing_model"],
    ["/v1/realtime?intent=conversation", "missing_model"],
    ["/v1/realtime?model=gpt-5", "invalid_model"],
  ])("%s is refused with %s and 4000", async (url, code) => {
    await using server = await testServer();
    const client = new Client(server.listen(), { path: url });
    expect((await client.next("error")).error).toMatchObject({ code, param: "model" });
    expect(await client.closed).toEqual({ code: 4000, reason: `invalid_request_error.${code}` });
  });

  test.each([
    ["/v1/realtime?intent=transcription", null],
    ["/v1/realtime?model=whisper-1", { model: "whisper-1", language: null, prompt: null }],
    ["/v1/realtime?model=gpt-realtime&intent=transcription", null],
    ["/v1/realtime?model=gpt-realtime", null],
  ])("%s opens a session that transcribes with %j", async (url, transcription) => {
    await using server = await testServer();
    const { session } = await new Client(server.listen(), { path: url }).next("session.created");
    expect(session).toMatchObject({ type: "transcription", audio: { input: { transcription } } });
  });

  test("without an upgrade is answered with 426", async () => {
    await using server = await testServer();
    const response = await server.fetch("/v1/realtime");
    expect(response.status).toBe(426);
    expect(response.headers.get("upgrade")).toBe("websocket");
    expect(await errorOf(response)).toMatchObject({ code: "upgrade_required" });
  });
});

test("pages of other origins than the allowed may not open one; the server's own page may", async () => {
  await using server = await testServer({ config: { allowedOrigins: ["https://app.example"] } });
  const port = server.listen();
  const bad = new Client(port, { headers: { origin: "https://evil.example" } });
  expect((await bad.next("error")).error.code).toBe("origin_not_allowed");
  expect((await bad.closed).code).toBe(1008);
  await new Client(port, { headers: { origin: "https://app.example" } }).next("session.created");
  await new Client(port, { headers: { origin: `http://127.0.0.1:${port}` } }).next("session.created");
  const otherPort = new Client(port, { headers: { origin: `http://127.0.0.1:${port + 1}` } });
  expect((await otherPort.next("error")).error.code).toBe("origin_not_allowed");
  await new Client(port).next("session.created");
});

describe("sessions", () => {
  test("are bounded for each caller and in all, and leave their place when they end", async () => {
    const config = { ...withKey.config, maxSessions: 3, maxSessionsPerCaller: 2 };
    await using server = await testServer({ config });
    const port = server.listen();
    const open = (key: string) => new Client(port, { headers: bearer(key) });
    const first = open("right");
    for (const client of [first, open("right")]) await client.next("session.created");
    const third = open("right");
    expect((await third.next("error")).error.code).toBe("rate_limit_exceeded");
    expect((await third.closed).code).toBe(1013);
    await open("other").next("session.created");
    const fourth = open("other");
    expect((await fourth.next("error")).error.code).toBe("server_overloaded");
    expect((await fourth.closed).code).toBe(1013);
    first.socket.close();
    await server.logged(({ message }) => message === "session ended");
    await open("right").next("session.created");
  });

  test("end with 1012 when the server stops, and none begins", async () => {
    await using server = await testServer();
    const port = server.listen();
    const client = new Client(port);
    await client.next("session.created");
    server.stopping.abort();
    expect((await client.closed).code).toBe(1012);
    expect((await new Client(port).closed).code).toBe(1012);
  });

  test("whose client leaves stop their work and free all", async () => {
    const engine = new FakeEngine();
    engine.admission = new Promise(() => {});
    await using server = await testServer({ engine });
    const begun = new Promise((resolve) => engine.passed.push(resolve));
    const client = new Client(server.listen());
    client.socket.onopen = () => {
      client.send("session.update", manual);
      client.append(300);
      client.send("input_audio_buffer.commit");
    };
    await begun;
    client.socket.terminate();
    await engine.cancelled.promise;
    expect(engine.lives.map(({ closed }) => closed)).toEqual([true]);
  });

  test("whose client is not read for the moment end as well", async () => {
    const engine = new FakeEngine();
    engine.admission = new Promise(() => {});
    await using server = await testServer({ engine });
    const client = new Client(server.listen());
    client.socket.onopen = () => {
      client.send("session.update", manual);
      for (let turn = 0; turn < 40; turn += 1) {
        client.append(200);
        client.send("input_audio_buffer.commit");
      }
    };
    // the sixteenth is the last that is read on purpose
    for (let turn = 0; turn < 16; turn += 1) await client.next("input_audio_buffer.committed");
    server.stopping.abort();
    expect((await client.closed).code).toBe(1012);
    await server.logged(({ message }) => message === "session ended");
  });

  test("whose client does not read end", async () => {
    await using server = await testServer();
    const client = await rawClient(server);
    await server.logged(({ message }) => message === "session ended");
    client.end();
  });
});

/** A connection that asks for answers without end and reads none. */
async function rawClient(server: TestServer) {
  const frame = Buffer.from(JSON.stringify({ type: "session.update", session: {} }));
  // masked with zeros, as a client's frames have to be
  const masked = Buffer.concat([Buffer.from([0x81, 0x80 | frame.length, 0, 0, 0, 0]), frame]);
  const many = Buffer.concat(Array.from({ length: 1000 }, () => masked));
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.listen(),
    socket: {
      data(own) {
        own.pause();
        for (let burst = 0; burst < 10; burst += 1) own.write(many);
      },
      drain(own) {
        own.write(many);
      },
      error() {},
    },
  });
  socket.write(
    [
      `GET ${path} HTTP/1.1`,
      "Host: localhost",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "",
      "",
    ].join("\r\n"),
  );
  return socket;
}

describe("a client secret", () => {
  const create = (server: TestServer, body: unknown, key = "right", route = "client_secrets") =>
    server.fetch(`/v1/realtime/${route}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer(key) },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });

  interface Created {
    readonly value: string;
    readonly expires_at: number;
    readonly session: Record<string, unknown>;
  }

  test("opens sessions with its settings", async () => {
    await using server = await testServer(withKey);
    const before = Math.floor(Date.now() / 1000);
    const response = await create(server, {
      ...manual,
      expires_after: { anchor: "created_at", seconds: 60 },
    });
    expect(response.status).toBe(200);
    const { value, expires_at, session } = await jsonOf<Created>(response);
    expect(value).toMatch(/^ek_[0-9a-f]{48}$/);
    expect(expires_at - before).toBeWithin(59, 62);
    const { audio } = manual.session;
    expect(session).toMatchObject({ type: "transcription", object: "realtime.transcription_session", audio });
    const port = server.listen();
    for (const wanted of [
      { headers: bearer(value) },
      { protocols: ["realtime", `openai-insecure-api-key.${value}`], path: "/v1/realtime" },
    ]) {
      expect((await new Client(port, wanted).next("session.created")).session).toMatchObject({ audio });
    }
    expect((await create(server, {}, value)).status).toBe(401);
  });

  test("is made for ten minutes and OpenAI's defaults by an empty body", async () => {
    await using server = await testServer(withKey);
    const { expires_at, session } = await jsonOf<Created>(await create(server, ""));
    expect(expires_at - Math.floor(Date.now() / 1000)).toBeWithin(598, 602);
    expect(session).toMatchObject({ audio: { input: { transcription: null } } });
  });

  test("comes in the beta's shape too", async () => {
    await using server = await testServer(withKey);
    const body = { input_audio_transcription: { model: "whisper-1" }, turn_detection: null };
    const made = await jsonOf<{ client_secret: Created }>(
      await create(server, body, "right", "transcription_sessions"),
    );
    expect(made).toMatchObject({ input_audio_format: "pcm16", turn_detection: null, expires_at: 0 });
    const headers = { ...bearer(made.client_secret.value), "openai-beta": "realtime=v1" };
    const client = new Client(server.listen(), { headers });
    const { session } = await client.next("transcription_session.created");
    expect(session).toMatchObject({
      turn_detection: null,
      input_audio_transcription: { model: "whisper-1" },
    });
  });

  test.each([
    ["{", 400, "invalid_json", null],
    ["[]", 400, "invalid_value", "body"],
    [{ seconds: 1 }, 400, "unknown_parameter", "body.seconds"],
    [{ expires_after: { seconds: 9 } }, 400, "invalid_value", "body.expires_after.seconds"],
    [{ expires_after: { seconds: 7201 } }, 400, "invalid_value", "body.expires_after.seconds"],
    [{ session: { type: "realtime" } }, 400, "invalid_value", "session.type"],
    [{ session: { voice: "alloy" } }, 400, "unknown_parameter", "session.voice"],
    [" ".repeat(2 ** 18 + 1), 413, "request_too_large", null],
  ])("is refused to %j with %d", async (body, status, code, param) => {
    await using server = await testServer(withKey);
    const response = await create(server, body);
    expect(response.status).toBe(status);
    expect(await errorOf(response)).toMatchObject({ code, param });
  });
});
