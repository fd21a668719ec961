import { beforeEach, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DownloadError, type DownloadProgress, download } from "../../../src/models/download.ts";
import { folderForEachTest } from "../../helpers/folder-hooks.ts";

const content = randomBytes(300_000);
const half = content.length / 2;
const weights = { bytes: content.length, sha256: createHash("sha256").update(content).digest("hex") };
const limits = { connectMs: 2_000, stallMs: 2_000, retries: 3, backoffMs: 1 };

const folder = folderForEachTest();
let path: string;
beforeEach(() => {
  path = join(folder.path, "sub", "ggml-test.bin");
});

const files = () => readdirSync(join(folder.path, "sub")).sort();

function leavePart(part: Uint8Array): void {
  rmSync(join(folder.path, "sub"), { recursive: true, force: true });
  mkdirSync(join(folder.path, "sub"));
  writeFileSync(`${path}.part`, part);
}

type Reply = (range: number | null, request: Request) => Response;

/** A server that answers its nth request with the nth reply, and further ones with the last. */
function serve(...replies: Reply[]) {
  const ranges: (number | null)[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const [, from] = /^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "") ?? [];
      ranges.push(from === undefined ? null : Number(from));
      const reply = replies[Math.min(ranges.length, replies.length) - 1];
      return reply?.(ranges.at(-1) ?? null, request) ?? new Response(null, { status: 500 });
    },
  });
  const stop = () => void server.stop(true);
  return { url: `http://127.0.0.1:${server.port}/ggml-test.bin`, ranges, [Symbol.dispose]: stop };
}

const whole: Reply = () => new Response(content);

const resuming: Reply = (from) =>
  from === null
    ? new Response(content)
    : new Response(content.subarray(from), {
        status: 206,
        headers: { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` },
      });

/** A server on bare TCP, for replies that break off: it announces all and sends half, then `then` happens. */
function serveHalf(then: "close" | "silence") {
  let requests = 0;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        requests++;
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${content.length}\r\n\r\n`);
        socket.write(content.subarray(0, half));
        socket.flush();
        if (then === "close") socket.end();
      },
    },
  });
  const stop = () => server.stop(true);
  return { url: `http://127.0.0.1:${server.port}/x.bin`, requests: () => requests, [Symbol.dispose]: stop };
}

test("a file with another digest is thrown away", async () => {
  using server = serve(whole);
  const wrong = { ...weights, sha256: "0".repeat(64) };
  const failure = download({ url: server.url, path, weights: wrong, limits });
  await expect(failure).rejects.toThrow(
    `Expected the SHA-256 ${wrong.sha256} for ${server.url} but received ${weights.sha256}`,
  );
  expect(files()).toEqual([]);
});

test("a file arrives whole, verified, under its name, with its digest beside it", async () => {
  using server = serve(whole);
  const seen: DownloadProgress[] = [];
  await download({ url: server.url, path, weights, limits, onProgress: (progress) => seen.push(progress) });
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(files()).toEqual(["ggml-test.bin", "ggml-test.bin.sha256"]);
  expect(seen.at(-1)).toMatchObject({ doneBytes: content.length, totalBytes: content.length });
  expect(seen.every(({ bytesPerSecond }) => bytesPerSecond > 0)).toBe(true);
});

test("a file that is there already is not asked for", async () => {
  using server = serve(whole);
  await download({ url: server.url, path, weights, limits });
  await download({ url: server.url, path, weights, limits });
  expect(server.ranges).toEqual([null]);
});

test("what an earlier process left is continued and part of the digest", async () => {
  using server = serve(resuming);
  leavePart(content.subarray(0, half));
  await download({ url: server.url, path, weights, limits });
  expect(server.ranges).toEqual([half]);
  expect(readFileSync(path).equals(content)).toBe(true);
});

test("a damaged beginning is found by the digest, and the next download starts afresh", async () => {
  using server = serve(resuming);
  leavePart(randomBytes(half));
  expect(await download({ url: server.url, path, weights, limits }).catch((error) => error)).toBeInstanceOf(
    DownloadError,
  );
  await download({ url: server.url, path, weights, limits });
  expect(server.ranges).toEqual([half, null]);
});

test("a complete part needs no server", async () => {
  leavePart(content);
  await download({ url: "http://127.0.0.1:1/x.bin", path, weights, limits });
  expect(files()).toEqual(["ggml-test.bin", "ggml-test.bin.sha256"]);
});

test("a part that is too long is thrown away", async () => {
  using server = serve(whole);
  leavePart(Buffer.concat([content, content]));
  await download({ url: server.url, path, weights, limits });
  expect(server.ranges).toEqual([null]);
  expect(readFileSync(path).equals(content)).toBe(true);
});

test("a server that ignores Range sends the file from the start", async () => {
  using server = serve(whole);
  leavePart(randomBytes(half));
  await download({ url: server.url, path, weights, limits });
  expect(readFileSync(path).equals(content)).toBe(true);
});

test("416, or another range than was asked for, starts again from the beginning", async () => {
  const replies: Reply[] = [
    () => new Response(null, { status: 416 }),
    () =>
      new Response(content, { status: 206, headers: { "content-range": `bytes 0-${content.length - 1}/*` } }),
  ];
  for (const reply of replies) {
    using server = serve(reply, whole);
    rmSync(path, { force: true });
    leavePart(content.subarray(0, half));
    await download({ url: server.url, path, weights, limits });
    expect(server.ranges).toEqual([half, null]);
    expect(readFileSync(path).equals(content)).toBe(true);
  }
});

test("a redirect to another server keeps the range", async () => {
  using target = serve(resuming);
  using server = serve(() => Response.redirect(target.url));
  leavePart(content.subarray(0, half));
  await download({ url: server.url, path, weights, limits });
  expect(target.ranges).toEqual([half]);
});

test("404 is an error at once, with the address and without its secrets", async () => {
  using server = serve(() => new Response("nothing here", { status: 404 }));
  const url = `${server.url.replace("//", "//user:password@")}?token=secret`;
  const error = await download({ url, path, weights, limits }).catch((reason) => reason);
  expect(error).toBeInstanceOf(DownloadError);
  expect(error.message).toBe(`${server.url} answered 404 Not Found`);
  expect(server.ranges).toHaveLength(1);
});

test("a page of another length, as a hotel's network sends it, is refused before it is read", async () => {
  using server = serve(() => new Response("<html>Please log in</html>"));
  expect(await download({ url: server.url, path, weights, limits }).catch((error) => error.message)).toBe(
    `Expected ${content.length} bytes for ${server.url} but the server offers 26`,
  );
});

test("a body without an announced length that does not end is cut off", async () => {
  using server = serve(
    () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(content),
        }),
      ),
  );
  const error = await download({ url: server.url, path, weights, limits }).catch((reason) => reason);
  expect(error.message).toContain("but received more");
});

test("503 is tried again, then given up", async () => {
  const busy: Reply = () => new Response(null, { status: 503 });
  using recovering = serve(busy, busy, whole);
  await download({ url: recovering.url, path, weights, limits });
  expect(recovering.ranges).toHaveLength(3);
  using down = serve(busy);
  rmSync(path);
  const error = await download({ url: down.url, path, weights, limits }).catch((reason) => reason);
  expect(error.message).toContain("answered 503");
  expect(down.ranges).toHaveLength(1 + limits.retries);
});

test("a connection that breaks off is continued, and what came is kept when it never completes", async () => {
  using server = serveHalf("close");
  const error = await download({ url: server.url, path, weights, limits }).catch((reason) => reason);
  expect(error).toBeInstanceOf(DownloadError);
  expect(server.requests()).toBeGreaterThan(limits.retries);
  using good = serve(resuming);
  await download({ url: good.url, path, weights, limits });
  expect(readFileSync(path).equals(content)).toBe(true);
});

test("a connection that falls silent is given up and tried again", async () => {
  using server = serveHalf("silence");
  const error = await download({
    url: server.url,
    path,
    weights,
    limits: { ...limits, stallMs: 50, retries: 1 },
  }).catch((reason) => reason);
  expect(error.message).toContain("sent nothing for 0.05 s");
  expect(server.requests()).toBe(2);
});

test("without a network it is known after one attempt", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const url = `http://127.0.0.1:${server.port}/x.bin`;
  server.stop(true);
  const error = await download({ url, path, weights, limits: { ...limits, backoffMs: 2 ** 30 } }).catch(
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(DownloadError);
  expect(error.message).toContain(`${url} cannot be reached`);
});

test("a server that never replies is given up after the time to connect", async () => {
  using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const error = await download({
    url: `http://127.0.0.1:${server.port}/x.bin`,
    path,
    weights,
    limits: { ...limits, connectMs: 50, backoffMs: 2 ** 30 },
  }).catch((reason) => reason);
  expect(error.message).toContain("no reply within 0.05 s");
});

test("a file that the disk cannot hold is not begun", async () => {
  using server = serve(whole);
  const error = await download({
    url: server.url,
    path,
    weights: { ...weights, bytes: 2 ** 60 },
    limits,
  }).catch((reason) => reason);
  expect(error.message).toMatch(/^Expected \d+ MiB of free disk space in MODELS_DIR but found \d+ MiB$/);
  expect(server.ranges).toEqual([]);
});

test("an abort ends it with its reason and keeps what came", async () => {
  using server = serveHalf("silence");
  const abort = new AbortController();
  const reason = new Error("shutting down");
  const error = await download({
    url: server.url,
    path,
    weights,
    limits,
    signal: abort.signal,
    onProgress: ({ doneBytes }) => doneBytes === half && abort.abort(reason),
  }).catch((caught) => caught);
  expect(error).toBe(reason);
  expect(files()).toEqual(["ggml-test.bin.part"]);
});

/** Downloads in a process of its own. */
function downloadElsewhere(url: string) {
  const source = join(import.meta.dir, "..", "..", "..", "src", "models", "download.ts");
  const script = `
    const { download } = await import(${JSON.stringify(source)});
    await download({ ...${JSON.stringify({ url, path, weights, limits: { ...limits, stallMs: 60_000 } })},
      onProgress: ({ doneBytes }) => console.log(doneBytes) });`;
  return Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
}

test("a download that was killed is continued by the next process", async () => {
  using stuck = serveHalf("silence");
  const child = downloadElsewhere(stuck.url);
  for await (const chunk of child.stdout) if (new TextDecoder().decode(chunk).includes(String(half))) break;
  child.kill("SIGKILL");
  await child.exited;
  expect(files()).toEqual(["ggml-test.bin.lock", "ggml-test.bin.part"]);

  using server = serve(resuming);
  await download({ url: server.url, path, weights, limits });
  expect(server.ranges).toEqual([half]);
  expect(files()).toEqual(["ggml-test.bin", "ggml-test.bin.sha256"]);
});

test("several processes that want the same file download it once", async () => {
  using server = serve(resuming);
  const children = [1, 2, 3].map(() => downloadElsewhere(server.url));
  expect(await Promise.all(children.map(({ exited }) => exited))).toEqual([0, 0, 0]);
  expect(server.ranges).toEqual([null]);
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(files()).toEqual(["ggml-test.bin", "ggml-test.bin.sha256"]);
});
