import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { AppError } from "../../../src/core/errors.ts";
import { type OutboundRequest, openOutbound } from "../../../src/net/outbound.ts";
import { selfSigned } from "../../fixtures/tls.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { rawReceiver, receiver } from "../../helpers/receiver.ts";

/** Anywhere: for tests of everything but the guard. */
const free = openOutbound({ allowPrivate: true });
const guarded = openOutbound({ allowPrivate: false });

const forever = new AbortController().signal;

const post = (url: string, more: Partial<OutboundRequest> = {}): OutboundRequest => ({
  ...{ method: "POST", url, body: "{}", signal: forever },
  ...more,
});

/** What it was rejected with. */
async function refusal(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error as Error;
}

async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(body)).toString();
}

describe("a URL is refused, with a sentence that names its field,", () => {
  test.each([
    ["that is none", "receiver.example/hook"],
    ["of another protocol", "ftp://receiver.example/"],
    ["of a file", "file:///etc/passwd"],
    ["with credentials", "https://user:hunter2@receiver.example/"],
    ["with a user", "https://user@receiver.example/"],
    ["to the port of SSH", "http://receiver.example:22/"],
    ["to the port of SMTP", "http://receiver.example:25/"],
    ["to port 0", "http://receiver.example:0/"],
    ["that is too long", `https://receiver.example/${"x".repeat(2048)}`],
    ["to loopback", "http://127.0.0.1/"],
    ["to loopback, in hex", "http://0x7f.1/"],
    ["to loopback, as one number", "http://2130706433/"],
    ["to loopback, in octal", "http://017700000001/"],
    ["to loopback, shortened", "http://127.1/"],
    ["to loopback, in other digits", "http://①②⑦.0.0.1/"],
    ["to loopback, with a dot behind", "http://127.0.0.1./"],
    ["to IPv6 loopback", "http://[::1]/"],
    ["to loopback, mapped", "http://[::ffff:127.0.0.1]/"],
    ["to loopback, compatible", "http://[::127.0.0.1]/"],
    ["to metadata", "http://169.254.169.254/latest/meta-data/"],
    ["to a private address", "https://192.168.1.1:8443/"],
    ["to a name of loopback", "http://localhost/"],
  ])("%s: %s", async (_, url) => {
    const error = await refusal(guarded.check(url, "webhook_url"));
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: "invalid_value", param: "webhook_url" });
    expect(error.message).toMatch(/^Expected .* for webhook_url but received /);
    expect(error.message).not.toContain("hunter2");
    expect(await refusal(guarded.request(post(url)))).toMatchObject({ code: "invalid_value" });
  });

  test("whose name has one private address among public ones", async () => {
    const outbound = openOutbound({
      allowPrivate: false,
      resolve: async () => ["8.8.8.8", "2606:4700:4700::1111", "10.0.0.1"],
    });
    expect(await refusal(outbound.check("https://receiver.example/", "url"))).toMatchObject({
      code: "invalid_value",
    });
  });
});

describe("a URL is taken", () => {
  test.each([
    "https://8.8.8.8/",
    "http://receiver.example:8080/hook?x=1",
    "https://receiver.example",
    "https://[2606:4700:4700::1111]:443/",
  ])("%s", async (url) => {
    const outbound = openOutbound({ allowPrivate: false, resolve: async () => ["8.8.8.8"] });
    await outbound.check(url, "url");
  });

  test("though its name cannot be resolved yet", async () => {
    const outbound = openOutbound({
      allowPrivate: false,
      resolve: () => Promise.reject(new Error("no such name")),
    });
    await outbound.check("https://not-yet.example/", "url");
    expect(await refusal(outbound.request(post("https://not-yet.example/")))).not.toBeInstanceOf(AppError);
  });
});

describe("a name", () => {
  test("that leads outside when it is checked and inside when it is asked is refused", async () => {
    await using target = receiver();
    const answers = ["8.8.8.8", "127.0.0.1"];
    const outbound = openOutbound({ allowPrivate: false, resolve: async () => [answers.shift() ?? ""] });
    const url = `http://rebinding.example:${target.port}/`;
    await outbound.check(url, "url");
    expect(await refusal(outbound.request(post(url)))).toMatchObject({ code: "invalid_value" });
    expect(target.received).toEqual([]);
  });

  test("is resolved once for a request, and nobody else resolves it again", async () => {
    await using target = receiver();
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return ["127.0.0.1"];
    };
    const outbound = openOutbound({ allowPrivate: true, resolve });
    using reply = await outbound.request(post(`http://no-such-host.invalid:${target.port}/a?b=c`));
    expect(reply.status).toBe(200);
    expect(asked).toBe(1);
    expect(target.received).toMatchObject([
      { path: "/a?b=c", body: "{}", headers: { host: `no-such-host.invalid:${target.port}` } },
    ]);
  });

  test("leads to the address that was checked, not to what the system makes of it", async () => {
    await using target = receiver();
    const outbound = openOutbound({ allowPrivate: false, resolve: async () => ["8.8.8.8"] });
    const signal = AbortSignal.timeout(300);
    await refusal(outbound.request(post(`http://localhost:${target.port}/`, { signal })));
    expect(target.received).toEqual([]);
  });

  test("of several addresses is reached at the one that answers", async () => {
    await using target = receiver();
    // Nobody listens at the others: the receiver is bound to 127.0.0.1 alone.
    const resolve = async () => ["127.0.0.9", "127.0.0.8", "127.0.0.1"];
    using reply = await openOutbound({ allowPrivate: true, resolve }).request(
      post(`http://many.example:${target.port}/`),
    );
    expect(reply.status).toBe(200);
  });

  test("that is never resolved does not outlive the signal", async () => {
    const outbound = openOutbound({ allowPrivate: true, resolve: () => new Promise(() => {}) });
    const signal = AbortSignal.timeout(20);
    expect((await refusal(outbound.request(post("http://slow.example/", { signal })))).name).toBe(
      "TimeoutError",
    );
  });
});

describe("an answer", () => {
  test("is given with its headers and its body, though it is a redirect", async () => {
    await using target = receiver(
      () => new Response("over there", { status: 302, headers: { location: "/b" } }),
    );
    using reply = await free.request(post(target.url));
    expect(reply.status).toBe(302);
    expect(reply.headers.location).toBe("/b");
    expect(await textOf(reply.body)).toBe("over there");
    expect(target.received).toHaveLength(1);
  });

  test("is not decompressed", async () => {
    const body = Bun.gzipSync("x".repeat(10_000));
    await using target = receiver(() => new Response(body, { headers: { "content-encoding": "gzip" } }));
    using reply = await free.request(post(target.url));
    expect(Buffer.concat(await Array.fromAsync(reply.body))).toEqual(Buffer.from(body));
  });

  test.each([
    ["that never comes", () => {}, "TimeoutError"],
    ["in pieces that never end", drip("HTTP/1.1 100 Continue\r\n\r\n"), "TimeoutError"],
  ])("%s ends with the signal", async (_, onSocket, name) => {
    await using target = await rawReceiver(onSocket);
    const error = await refusal(free.request(post(target.url, { signal: AbortSignal.timeout(200) })));
    expect(error.name).toBe(name);
  });

  test.each<[string, string, RegExp]>([
    [
      "of headers without end",
      `HTTP/1.1 200 OK\r\n${`a: ${"x".repeat(1000)}\r\n`.repeat(1000)}`,
      /headers were too large/,
    ],
    ["that is no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", /not HTTP/],
    [
      "that speaks another protocol from now on",
      "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
      /no answer/,
    ],
    ["that is none", "", /closed/],
  ])("%s is refused", async (_, text, message) => {
    await using target = await rawReceiver((socket) => socket.end(text));
    expect((await refusal(free.request(post(target.url)))).message).toMatch(message);
  });

  test.each([
    ["its length", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"],
    ["its last chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"],
  ])("that breaks off before %s is no whole answer", async (_, text) => {
    await using target = await rawReceiver((socket) => socket.end(text));
    using reply = await free.request(post(target.url));
    expect((await refusal(textOf(reply.body))).message).toMatch(/closed|broke off/);
  });

  test("without end is let go of when nobody wants more, and the connection is closed", async () => {
    const closed = Promise.withResolvers<void>();
    await using target = await rawReceiver((socket) => {
      drip("HTTP/1.1 200 OK\r\n\r\n", "x".repeat(1000))(socket);
      socket.on("close", () => closed.resolve());
    });
    {
      using reply = await free.request(post(target.url));
      for await (const _ of reply.body) break;
    }
    await closed.promise;
  });

  test("without end ends with the signal", async () => {
    await using target = await rawReceiver(drip("HTTP/1.1 200 OK\r\n\r\n", "x"));
    using reply = await free.request(post(target.url, { signal: AbortSignal.timeout(200) }));
    expect((await refusal(textOf(reply.body))).name).toBe("TimeoutError");
  });
});

/** Writes `first`, then `more` again and again. */
function drip(first: string, more = first) {
  return (socket: { write(text: string): void; on(event: "close", act: () => void): void }) => {
    socket.write(first);
    const timer = setInterval(() => socket.write(more), 5);
    socket.on("close", () => clearInterval(timer));
  };
}

test("a connection that is refused is told in a sentence without an address", async () => {
  const target = receiver();
  await target[Symbol.asyncDispose]();
  const { message } = await refusal(free.request(post(target.url)));
  expect(message).toBe("The connection was refused");
});

test("a signal that has fired already sends nothing", async () => {
  await using target = receiver();
  await refusal(free.request(post(target.url, { signal: AbortSignal.abort() })));
  expect(target.received).toEqual([]);
});

describe("a certificate", () => {
  test("that nobody vouches for is refused", async () => {
    await using target = receiver(undefined, selfSigned);
    expect((await refusal(free.request(post(target.url)))).message).toMatch(/certificate was refused/);
    expect(target.received).toEqual([]);
  });

  test("has to be for the name, though the connection is made to an address", async () => {
    await using target = receiver(undefined, selfSigned);
    using folder = temporaryFolder();
    const trusted = join(folder.path, "trusted.pem");
    await Bun.write(trusted, selfSigned.cert);
    const program = `
      import { openOutbound } from "${join(import.meta.dir, "../../../src/net/outbound.ts")}";
      const outbound = openOutbound({ allowPrivate: true, resolve: async () => ["127.0.0.1"] });
      for (const name of ["good.example", "bad.example", "127.0.0.1"]) {
        const url = \`https://\${name}:${target.port}/\`;
        const request = { method: "POST", url, body: "{}", signal: AbortSignal.timeout(10_000) };
        console.log(name, await outbound.request(request).then((reply) => reply.status, (error) => error.message));
      }
      process.exit(0);
    `;
    const child = Bun.spawn([process.execPath, "-e", program], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: trusted },
      stdout: "pipe",
    });
    const lines = (await new Response(child.stdout).text()).trim().split("\n");
    expect(lines).toEqual([
      "good.example 200",
      "bad.example The certificate was refused (ERR_TLS_CERT_ALTNAME_INVALID)",
      "127.0.0.1 The certificate was refused (ERR_TLS_CERT_ALTNAME_INVALID)",
    ]);
    expect(target.received).toHaveLength(1);
  });
});
