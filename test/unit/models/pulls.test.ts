import { expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Metrics } from "../../../src/metrics.ts";
import type { Weights } from "../../../src/models/catalog.ts";
import type { DownloadProgress } from "../../../src/models/download.ts";
import { Pulls } from "../../../src/models/pulls.ts";
import { folderForEachTest } from "../../helpers/folder-hooks.ts";
import { refusal } from "../../helpers/refusal.ts";

const content = randomBytes(200_000);
const half = content.length / 2;
const weights: Weights = {
  ...{ name: "test", file: "ggml-test.bin", published: "ggml-test.bin", repository: "a/b" },
  bytes: content.length,
  sha256: createHash("sha256").update(content).digest("hex"),
};
const limits = { connectMs: 5_000, stallMs: 5_000, retries: 0, backoffMs: 1 };

const folder = folderForEachTest();

/** A server that sends half of the file at once, and the rest when it is told to. */
function serve() {
  const rest = Promise.withResolvers<void>();
  const requests: (string | null)[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const range = request.headers.get("range");
      requests.push(range);
      const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          if (from < half) controller.enqueue(content.subarray(from, half));
          await rest.promise;
          controller.enqueue(content.subarray(Math.max(from, half)));
          controller.close();
        },
      });
      if (from === 0) return new Response(body);
      const headers = { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` };
      return new Response(body, { status: 206, headers });
    },
  });
  return {
    options: {
      weights,
      url: `${server.url.href}ggml-test.bin`,
      path: join(folder.path, "ggml-test.bin"),
      limits,
    },
    requests,
    sendRest: rest.resolve,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

const never = new AbortController().signal;

/** Reads on until half of the file has come. */
async function readHalf(progress: AsyncIterator<DownloadProgress>): Promise<void> {
  for (;;) {
    const { value, done } = await progress.next();
    if (done) throw new Error("The download has ended");
    if (value.doneBytes >= half) return;
  }
}

test("progress is told until the file is there", async () => {
  using server = serve();
  const told: DownloadProgress[] = [];
  for await (const progress of new Pulls(new Metrics()).pull(server.options, never)) {
    told.push(progress);
    if (progress.doneBytes >= half) server.sendRest();
  }
  expect(told.map(({ doneBytes }) => doneBytes)).toEqual(
    told.map(({ doneBytes }) => doneBytes).toSorted((a, b) => a - b),
  );
  expect(told.every(({ totalBytes }) => totalBytes === content.length)).toBe(true);
  expect(readFileSync(server.options.path).equals(content)).toBe(true);
});

test("two who want the same file share one download, and one that leaves does not stop it", async () => {
  using server = serve();
  const pulls = new Pulls(new Metrics());
  const [first, second] = [pulls.pull(server.options, never), pulls.pull(server.options, never)];
  await Promise.all([readHalf(first), readHalf(second)]);
  await first.return();
  server.sendRest();
  for await (const _ of second);
  expect(server.requests).toEqual([null]);
  expect(existsSync(server.options.path)).toBe(true);
});

test("it stops when the last one leaves, and the next one goes on from there", async () => {
  using server = serve();
  const pulls = new Pulls(new Metrics());
  const leaving = new AbortController();
  const first = pulls.pull(server.options, leaving.signal);
  await readHalf(first);
  const waiting = refusal(Array.fromAsync(first));
  leaving.abort();
  expect((await waiting).code).toBe("request_cancelled");
  expect(existsSync(server.options.path)).toBe(false);
  server.sendRest();
  for await (const _ of pulls.pull(server.options, never));
  expect(server.requests).toEqual([null, `bytes=${half}-`]);
  expect(statSync(server.options.path).size).toBe(content.length);
});

test("one that was never read has begun nothing; a signal that has fired refuses", async () => {
  using server = serve();
  const pulls = new Pulls(new Metrics());
  await pulls.pull(server.options, never).return();
  const aborted = pulls.pull(server.options, AbortSignal.abort());
  expect((await refusal(aborted.next())).code).toBe("request_cancelled");
  expect(server.requests).toEqual([]);
});

test("a failure is told to all who wait, without paths, and can be tried again", async () => {
  using server = serve();
  const pulls = new Pulls(new Metrics());
  server.sendRest();
  const wrong = { ...server.options, weights: { ...weights, sha256: "0".repeat(64) } };
  const errors = await Promise.all([1, 2].map(() => refusal(Array.fromAsync(pulls.pull(wrong, never)))));
  for (const { code, message } of errors) {
    expect(code).toBe("model_download_failed");
    expect(message).toStartWith("Expected the SHA-256 000");
    expect(message).not.toContain(folder.path);
  }
  for await (const _ of pulls.pull(server.options, never));
  expect(existsSync(server.options.path)).toBe(true);
});

test("a folder that cannot be written is named by its setting", async () => {
  using server = serve();
  const path = join("/dev/null", "ggml-test.bin");
  const { code, message } = await refusal(
    Array.fromAsync(new Pulls(new Metrics()).pull({ ...server.options, path }, never)),
  );
  expect([code, message]).toEqual([
    "model_download_failed",
    expect.stringMatching(/^MODELS_DIR cannot be written: E[A-Z]+$/),
  ]);
});
