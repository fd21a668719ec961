/** Results that are found again, by the real server: whatever is asked for, the answer is what the first run said. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { responseFormats } from "../../src/core/formats.ts";
import { recording } from "../fixtures/index.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { eventually, type Server, startServer } from "./server.ts";

setDefaultTimeout(120_000);

type Fields = Readonly<Record<string, string>>;

interface Reply {
  readonly status: number;
  readonly cache: string | null;
  readonly body: string;
  readonly type: string | null;
}

async function post(server: Server, name: string, fields: Fields = {}, headers: Fields = {}): Promise<Reply> {
  const form = new FormData();
  for (const [key, value] of Object.entries({ beam_size: "1", ...fields })) form.append(key, value);
  form.append("file", Bun.file(recording(name).path));
  const url = `${server.url}/v1/audio/transcriptions`;
  const response = await fetch(url, { method: "POST", body: form, headers });
  const { status } = response;
  return {
    status,
    cache: response.headers.get("x-cache"),
    type: response.headers.get("content-type"),
    body: await response.text(),
  };
}

/** The answer of the cache: a result may be stored a moment after it was sent. */
const stored = (server: Server, name: string, fields: Fields = {}) =>
  eventually(
    () => post(server, name, fields),
    ({ cache }) => cache === "hit",
  );

/** Of the server until now; a line of its log may come later than the answer. */
async function runs(server: Server): Promise<number> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const counts = metrics.matchAll(/^whisper_runs_total\{.*\} (\d+)$/gm);
  return Array.from(counts, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0);
}

/** The text that a stream adds up to, and that of its last object. */
function textsOf(body: string): { deltas: string; last: string } {
  const events = body
    .split("\r\n\r\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice(6)) as { type: string; delta?: string; text?: string });
  return {
    deltas: events.map(({ delta }) => delta ?? "").join(""),
    last: events.find(({ type }) => type === "transcript.text.done")?.text ?? "",
  };
}

describe("one server", () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const names = [
    "en-segments.wav",
    "zh-segments.wav",
    "en-two-speakers.wav",
    "silence.wav",
    "en-long-95s.mp3",
  ];
  const views = responseFormats.flatMap((format) =>
    ["false", "true"].map((stream) => ({ response_format: format, stream })),
  );

  test.each(names)("%s: joined, cached and computed answers are equal in every format", async (name) => {
    const before = await runs(server);
    // all at once: one run for all but diarized_json, which hears the channels apart
    const joined = await Promise.all(views.map((view) => post(server, name, view)));
    expect(new Set(joined.map(({ status }) => status))).toEqual(new Set([200]));
    expect(joined.filter(({ cache }) => cache === "miss")).toHaveLength(2);
    expect(joined.filter(({ cache }) => cache === "join" || cache === "hit")).toHaveLength(views.length - 2);
    expect((await runs(server)) - before).toBe(2);

    const cached = await Promise.all(views.map((view) => stored(server, name, view)));
    expect(cached.map(({ body, type }) => ({ body, type }))).toEqual(
      joined.map(({ body, type }) => ({ body, type })),
    );

    const bodyOf = (format: string, stream: string) =>
      cached[views.findIndex((view) => view.response_format === format && view.stream === stream)]?.body ??
      "";
    const { text } = JSON.parse(bodyOf("json", "false")) as { text: string };
    for (const format of ["json", "text", "verbose_json"]) {
      const { deltas, last } = textsOf(bodyOf(format, "true"));
      expect([format, last]).toEqual([format, text]);
      expect([format, deltas.trim()]).toEqual([format, text]);
    }
    expect(bodyOf("text", "false")).toBe(`${text}\n`);
    for (const format of ["srt", "vtt"]) {
      expect(textsOf(bodyOf(format, "true")).last).toBe(bodyOf(format, "false"));
    }
  });

  test("an answer that is computed again says what was stored", async () => {
    // not the last digits of probabilities, whose sums depend on what else is computed at the time
    for (const format of ["json", "text", "srt", "vtt"]) {
      const view = { response_format: format };
      const cached = await post(server, "en-segments.wav", view);
      const anew = await post(server, "en-segments.wav", view, { "cache-control": "no-store" });
      expect([cached.cache, anew.cache]).toEqual(["hit", "bypass"]);
      expect(anew.body).toBe(cached.body);
    }
  });

  test("twenty uploads at once are one run", async () => {
    const before = await runs(server);
    const replies = await Promise.all(Array.from({ length: 20 }, () => post(server, "en-question.wav")));
    expect((await runs(server)) - before).toBe(1);
    expect(new Set(replies.map(({ body }) => body)).size).toBe(1);
    expect(replies.filter(({ cache }) => cache === "miss")).toHaveLength(1);
    expect(await server.leftovers()).toEqual([]);
  });

  test("words have a run of their own: they need times", async () => {
    const words = { response_format: "verbose_json", "timestamp_granularities[]": "word" };
    expect((await post(server, "en-segments.wav", words)).cache).toBe("miss");
    expect((await post(server, "en-segments.wav", words)).cache).toBe("hit");
  });

  test("a seed makes a temperature reproducible", async () => {
    const warm = { temperature: "0.8", temperature_increment: "0" };
    expect((await post(server, "en-digits.wav", warm)).cache).toBe("bypass");
    const first = await post(server, "en-digits.wav", { ...warm, seed: "7" });
    const again = await post(server, "en-digits.wav", { ...warm, seed: "7" });
    const anew = await post(server, "en-digits.wav", { ...warm, seed: "7" }, { "cache-control": "no-store" });
    expect([first.cache, again.cache, anew.cache]).toEqual(["miss", "hit", "bypass"]);
    expect(again.body).toBe(first.body);
    expect(anew.body).toBe(first.body);
  });
});

test("results are found again after a restart, and not when they are off", async () => {
  await using first = await startServer();
  const { body } = await post(first, "en-digits.wav");
  await first.stop();
  await using second = await startServer({ dataDir: first.dataDir });
  expect(await post(second, "en-digits.wav")).toMatchObject({ cache: "hit", body });
  await second.stop();
  await using without = await startServer({ dataDir: first.dataDir, env: { CACHE_MAX_BYTES: "0" } });
  expect(await post(without, "en-digits.wav")).toMatchObject({ cache: "miss", body });
});

const why = redisServer ? "real Redis" : "SKIPPED: redis-server is not installed";

test.skipIf(redisServer === null)(
  `two servers on one Redis share results, and go on without it (${why})`,
  async () => {
    await using redis = await startRedis();
    const env = { REDIS_URL: redis.url };
    await using one = await startServer({ env });
    await using another = await startServer({ env });
    const verbose = { response_format: "verbose_json" };
    const { body } = await post(one, "en-segments.wav", verbose);
    await stored(one, "en-segments.wav", verbose);
    const found = await post(another, "en-segments.wav", verbose);
    expect(found).toMatchObject({ cache: "hit", body });
    expect(await runs(another)).toBe(0);

    await redis.kill();
    expect(await post(another, "en-segments.wav", verbose)).toMatchObject({
      status: 200,
      cache: "miss",
      body,
    });
    await redis.start();
    await stored(another, "en-segments.wav");
  },
);
