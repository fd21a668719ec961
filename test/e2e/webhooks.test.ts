/** Webhooks of the real server: what receivers get, whatever becomes of the process. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import OpenAI from "openai";
import { recording } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { receiver } from "../helpers/receiver.ts";
import { freePort, redisServer, startRedis } from "../helpers/redis.ts";
import { eventually, root, startServer } from "./server.ts";
import { submit } from "./tasks-client.ts";

setDefaultTimeout(120_000);

const secret = "whsec_c2VjcmV0LW9mLXRoaXMtdGVzdC1hbmQtbm90aGluZy1lbHNl";
const development = { WEBHOOK_ALLOW_PRIVATE: "true" };

test("a receiver verifies what it gets with OpenAI's client, and follows its link", async () => {
  await using server = await startServer({ env: { ...development, PUBLIC_URL: "http://speech.example/" } });
  await using target = receiver();
  const task = await submit(server.url, "en-sentence.wav", {
    webhook_url: target.url,
    webhook_secret: secret,
  });
  await eventually(
    async () => target.received.length,
    (count) => count > 0,
  );
  const [{ body, headers } = { body: "", headers: {} }] = target.received;
  const event = await new OpenAI({ apiKey: "none", webhookSecret: secret }).webhooks.unwrap(body, headers);
  const result = `http://speech.example/v1/audio/transcriptions/${task.id}?response_format=json`;
  expect(event as object).toMatchObject({
    type: "transcription.completed",
    data: { id: task.id, status: "completed", links: { result } },
  });
  const answer = await fetch(result.replace("http://speech.example", server.url));
  expect(await answer.json()).toMatchObject({ text: recording("en-sentence.wav").text });
});

test("a receiver inside is refused unless it is allowed", async () => {
  await using server = await startServer();
  await using target = receiver();
  const refused = submit(server.url, "en-sentence.wav", { webhook_url: target.url });
  await expect(refused).rejects.toThrow(/Expected 202 but received 400.*webhook_url/);
});

/** The program of docs/webhooks.md in that language. */
async function documented(language: string): Promise<string> {
  const page = await Bun.file(join(root, "docs/webhooks.md")).text();
  const [, program] = new RegExp(`\\n\`\`\`${language}\\n([\\s\\S]*?)\\n\`\`\`\\n`).exec(page) ?? [];
  if (program === undefined) throw new Error(`There is no program in ${language}`);
  return program;
}

describe("the receiver that is documented", () => {
  const python = Bun.which("python3");
  test("in Node takes what the server sends, and nothing else", () => takes("js", [process.execPath, "-e"]));
  test.skipIf(python === null)("in Python does so, too (needs python3)", () =>
    takes("python", [python ?? "", "-c"]),
  );
});

/** `run` runs a program that follows. */
async function takes(language: string, run: readonly string[]): Promise<void> {
  const port = freePort();
  const receiving = Bun.spawn([...run, await documented(language)], {
    cwd: root,
    env: { PATH: Bun.env.PATH, PORT: `${port}`, WEBHOOK_SECRET: secret },
    stdout: "pipe",
    stderr: "ignore",
  });
  try {
    const lines = receiving.stdout.pipeThrough(new TextDecoderStream()).getReader();
    expect((await lines.read()).value).toBe("listening\n");
    await using server = await startServer({ env: development });
    const url = `http://127.0.0.1:${port}/`;
    const headers = { "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA" };
    expect((await fetch(url, { method: "POST", headers, body: "{}" })).status).toBe(400);
    expect((await fetch(url, { method: "POST", body: "{}" })).status).toBe(400);
    const task = await submit(server.url, "en-sentence.wav", {
      webhook_url: url,
      webhook_secret: secret,
    });
    const { status } = await server.logged(({ message }) => message === "webhook delivered");
    expect(status).toBe(204);
    const result = `/v1/audio/transcriptions/${task.id}?response_format=json`;
    expect((await lines.read()).value).toBe(`transcription.completed ${result}\n`);
  } finally {
    receiving.kill();
  }
}

async function killed(env: Readonly<Record<string, string>>): Promise<void> {
  using folder = temporaryFolder();
  const dataDir = folder.path;
  const settings = { dataDir, env: { ...development, ...env } };
  // The first attempt does not come to an end: the server is killed in the middle of it.
  const never = Promise.withResolvers<Response>();
  await using target = receiver((number) => (number < 1 ? never.promise : new Response("ok")));
  try {
    let id = "";
    for (let round = 0; round < 2; round += 1) {
      await using server = await startServer(settings);
      if (round === 0) {
        const fields = { webhook_url: target.url, webhook_secret: secret };
        // Redis may not be connected yet.
        const task = await eventually(
          () => submit(server.url, "en-sentence.wav", fields).catch(() => null),
          (made) => made !== null,
        );
        id = task?.id ?? "";
      }
      await eventually(
        async () => target.received.length,
        (count) => count > round,
      );
      if (round < 1) server.process.kill("SIGKILL");
      else await server.logged(({ message }) => message === "webhook delivered");
    }
    expect(target.received).toHaveLength(2);
    expect(new Set(target.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    const client = new OpenAI({ apiKey: "none", webhookSecret: secret });
    for (const { body, headers } of target.received) {
      expect((await client.webhooks.unwrap(body, headers)) as object).toMatchObject({ data: { id } });
    }
  } finally {
    never.resolve(new Response());
  }
}

describe("kill -9 during a delivery loses nothing", () => {
  test("on SQLite", () => killed({}));

  test.skipIf(redisServer === null)("on Redis (needs redis-server)", async () => {
    await using redis = await startRedis();
    await killed({ REDIS_URL: redis.url });
  });
});
