/** What only a real connection shows. */
import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { FakeEngine } from "../helpers/engine.ts";
import { boundary, closing, contentType, fieldPart, filePart } from "../helpers/multipart.ts";
import { errorOf, form, testServer } from "../helpers/server.ts";

const path = "/v1/audio/transcriptions";
const small = filePart("audio") + closing;

const sockets = new Set<Client>();
afterEach(() => {
  for (const client of sockets) client.socket.destroy();
  sockets.clear();
});

/** One TCP connection; `received` grows as the server answers. */
class Client {
  received = "";
  readonly closed: Promise<void>;
  private readonly waiting = new Set<() => void>();

  private constructor(readonly socket: Socket) {
    sockets.add(this);
    socket.on("error", () => {}); // a reset is a way of closing
    socket.on("data", (data) => {
      this.received += data;
      for (const wake of this.waiting) wake();
    });
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        resolve();
        for (const wake of this.waiting) wake();
      });
    });
  }

  static async open(port: number): Promise<Client> {
    const socket = connect(port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    return new Client(socket);
  }

  /** Resolves when all is handed to the system. */
  send(text: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.socket.write(text, () => resolve()));
  }

  /** Resolves when the answer has `text`; fails when the connection ends before. */
  async receives(text: string): Promise<void> {
    while (!this.received.includes(text)) {
      if (this.socket.destroyed) throw new Error(`Expected ${text} but received ${this.received}`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }
}

const head = (...headers: string[]) =>
  [`POST ${path} HTTP/1.1`, "Host: localhost", `Content-Type: ${contentType}`, ...headers, "", ""].join(
    "\r\n",
  );
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

test("an upload without a content-length is taken", async () => {
  await using server = await testServer();
  const client = await Client.open(server.listen());
  await client.send(head("Transfer-Encoding: chunked"));
  for (const text of [small.slice(0, 20), small.slice(20, 90), small.slice(90)])
    await client.send(chunk(text));
  await client.send("0\r\n\r\n");
  await client.receives('{"text":"Hello world."');
  expect(client.received).toStartWith("HTTP/1.1 200 OK\r\n");
});

test("a client that asks first is told to go on", async () => {
  await using server = await testServer();
  const client = await Client.open(server.listen());
  await client.send(head("Expect: 100-continue", `Content-Length: ${small.length}`));
  await client.receives("HTTP/1.1 100 Continue\r\n\r\n");
  await client.send(small);
  await client.receives('{"text":"Hello world."');
});

test("a body that is announced as too large is refused before it is sent", async () => {
  await using server = await testServer();
  const client = await Client.open(server.listen());
  await client.send(head("Content-Length: 900000000"));
  await client.receives('"code":"request_too_large"');
  expect(client.received).toStartWith("HTTP/1.1 413 ");
});

test("a file that grows too large is refused while it is still being sent", async () => {
  await using server = await testServer({ config: { maxFileSize: 100_000 } });
  const client = await Client.open(server.listen());
  await client.send(head("Transfer-Encoding: chunked") + chunk(filePart("x").slice(0, -2)));
  await client.send(chunk("x".repeat(200_000))); // and no last chunk: the body never ends
  await client.receives('"code":"request_too_large"');
  expect(client.received).toStartWith("HTTP/1.1 413 ");
});

test("after a refused upload the client sees the answer and can use the connection again", async () => {
  await using server = await testServer({ config: { maxFileSize: 100_000 } });
  const client = await Client.open(server.listen());
  const body = filePart("x".repeat(3_000_000)) + closing;
  await client.send(head(`Content-Length: ${body.length}`) + body);
  await client.receives('"code":"request_too_large"');
  client.received = "";
  await client.send(head(`Content-Length: ${small.length}`) + small);
  await client.receives('{"text":"Hello world."');
});

test("official clients' fetch sees the refusal of a body that is too large", async () => {
  await using server = await testServer({ config: { maxFileSize: 100_000 } });
  const response = await fetch(
    `http://127.0.0.1:${server.listen()}${path}`,
    form({}, "x".repeat(20_000_000)),
  );
  expect(response.status).toBe(413);
  expect((await errorOf(response)).code).toBe("request_too_large");
});

test("a body that stalls gets 408 and the connection is closed", async () => {
  await using server = await testServer({ config: { uploadTimeoutMs: 50 } });
  const port = server.listen();
  for (const [headers, begun] of [
    [`Content-Length: ${small.length}`, ""], // as a client does that retries with a body that it has used up
    [`Content-Length: ${small.length}`, small.slice(0, 150)],
    ["Transfer-Encoding: chunked", chunk(small.slice(0, 150))],
  ] as const) {
    const client = await Client.open(port);
    await client.send(head(headers) + begun);
    await client.closed;
    expect(client.received).toStartWith("HTTP/1.1 408 ");
    expect(client.received.toLowerCase()).toContain("\r\nconnection: close\r\n");
    expect(client.received).toContain('"code":"request_timeout"');
  }
  expect(server.engine.requests).toEqual([]);
});

test("a body that drips is not waited for either", async () => {
  await using server = await testServer({ config: { uploadTimeoutMs: 100 } });
  const client = await Client.open(server.listen());
  await client.send(head("Content-Length: 1000000") + filePart("x").slice(0, -2));
  const drip = setInterval(() => client.socket.write("x"), 10);
  await client.receives('"code":"request_timeout"');
  clearInterval(drip);
});

test("a client that goes away in the middle of its upload leaves nothing behind", async () => {
  await using server = await testServer();
  const client = await Client.open(server.listen());
  await client.send(head("Content-Length: 4000000") + filePart("x".repeat(3_000_000)).slice(0, -2));
  while ((await server.leftovers()).length === 0) await Bun.sleep(1);
  client.socket.destroy();
  const line = await server.logged(({ message }) => message === "request");
  expect(line.fields.status).toBe(499);
  expect(await server.leftovers()).toEqual([]);
  expect(server.engine.requests).toEqual([]);
});

test("a client that goes away while it is queued is cancelled", async () => {
  const engine = new FakeEngine();
  engine.admission = new Promise(() => {});
  await using server = await testServer({ engine });
  const client = await Client.open(server.listen());
  await client.send(head(`Content-Length: ${small.length}`) + small);
  await engine.arrived.promise;
  client.socket.destroy();
  await engine.cancelled.promise;
  await server.logged(({ message }) => message === "request");
  expect(await server.leftovers()).toEqual([]);
});

test("a client that goes away during its run is cancelled, whether it streams or waits", async () => {
  for (const stream of ["true", "false"]) {
    const engine = new FakeEngine();
    const started = Promise.withResolvers<void>();
    engine.beforeEvent = (index) => {
      if (index < 2) return Promise.resolve();
      started.resolve();
      return new Promise(() => {});
    };
    await using server = await testServer({ engine });
    const client = await Client.open(server.listen());
    const body = fieldPart("stream", stream) + small;
    await client.send(head(`Content-Length: ${body.length}`) + body);
    await started.promise;
    client.socket.destroy();
    await engine.cancelled.promise;
    await server.logged(({ message }) => message === "request");
  }
});

test("events reach the client while the run goes on", async () => {
  const engine = new FakeEngine();
  const gate = Promise.withResolvers<void>();
  engine.beforeEvent = (index) => (index < 2 ? Promise.resolve() : gate.promise);
  await using server = await testServer({ engine });
  const client = await Client.open(server.listen());
  const body = fieldPart("stream", "true") + small;
  await client.send(head(`Content-Length: ${body.length}`) + body);
  await client.receives('"delta":"Hello"');
  expect(client.received).not.toContain("world");
  gate.resolve();
  await client.receives("data: [DONE]\r\n\r\n");
});

test("what is no HTTP is refused without a word of the framework", async () => {
  await using server = await testServer();
  const port = server.listen();
  for (const bytes of [
    "GARBAGE\r\n\r\n",
    `${head("Transfer-Encoding: chunked")}zz\r\nhello\r\n`,
    `GET /health HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(200_000)}\r\n\r\n`,
  ]) {
    const client = await Client.open(port);
    await client.send(bytes);
    await client.closed;
    expect(client.received.slice(client.received.indexOf("\r\n\r\n") + 4)).toBe("");
  }
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
});

test("odd but legal requests get answers of ours", async () => {
  await using server = await testServer();
  const port = server.listen();
  for (const [request, status] of [
    ["GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200],
    ["GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 404],
    ["GET /v1/models?x=%ff HTTP/1.1\r\nHost: a b\r\n\r\n", 200],
    ["GET //v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 404],
    ["PATCH /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", 405],
    [`POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: ${small.length}\r\n\r\n${small}`, 405],
  ] as const) {
    const client = await Client.open(port);
    await client.send(request);
    await client.receives("\r\n\r\n");
    expect([request, client.received.slice(0, 12)]).toEqual([request, `HTTP/1.1 ${status}`]);
    expect(client.received.toLowerCase()).toContain("\r\nx-request-id: req_");
  }
});

test("uploads side by side do not mix", async () => {
  await using server = await testServer();
  const url = `http://127.0.0.1:${server.listen()}${path}`;
  const texts = Array.from({ length: 12 }, (_, index) => `${index}:`.repeat(20_000 + index));
  const responses = await Promise.all(texts.map((text) => fetch(url, form({}, text))));
  expect(responses.map(({ status }) => status)).toEqual(texts.map(() => 200));
  const heard = server.engine.requests.map(({ audio }) => new TextDecoder().decode(audio));
  expect(heard.sort()).toEqual(texts.sort());
});

test("the boundary may be quoted", async () => {
  await using server = await testServer();
  const response = await fetch(`http://127.0.0.1:${server.listen()}${path}`, {
    method: "POST",
    body: small,
    headers: { "content-type": `multipart/form-data; boundary="${boundary}"` },
  });
  expect(response.status).toBe(200);
});
