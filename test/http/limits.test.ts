/** What a caller who has limits sees. */
import { describe, expect, test } from "bun:test";
import OpenAI from "openai";
import type { Config } from "../../src/config/settings.ts";
import { AppError } from "../../src/core/errors.ts";
import { audioLimits, requestLimits } from "../../src/core/limits.ts";
import { duration } from "../../src/http/limits.ts";
import { FakeEngine, testModel, testSegment } from "../helpers/engine.ts";
import { errorOf, form, jsonOf, testServer } from "../helpers/server.ts";
import { memoryStore } from "../helpers/stores.ts";

const transcriptions = "/v1/audio/transcriptions";

const limited = (requests: string, audio = "off", more: Partial<Config> = {}): Partial<Config> => ({
  rateLimits: requestLimits.parse(requests) ?? [],
  rateLimitsAudio: audioLimits.parse(audio) ?? [],
  ...more,
});
const bearer = (key: string, init: RequestInit = {}): RequestInit => ({
  ...init,
  headers: { authorization: `Bearer ${key}` },
});
const header = (response: Response, name: string) => response.headers.get(name);
const limitHeadersOf = (response: Response) =>
  [...response.headers.keys()].filter((name) => /^(x-)?ratelimit/.test(name));

/** A recording of so many seconds, one word each. */
const engineOf = (seconds: number) =>
  new FakeEngine(
    testModel,
    Array.from({ length: seconds }, (_, id) => testSegment(id, " word")),
  );

describe("a limit of requests", () => {
  test("refuses with 429 and says when to come back, before the body is read and the engine asked", async () => {
    await using server = await testServer({ config: limited("2/hour") });
    for (const recording of ["one", "two"])
      expect((await server.fetch(transcriptions, form({}, recording))).status).toBe(200);
    const refused = await server.fetch(transcriptions, { method: "POST", body: "never read" });
    expect(refused.status).toBe(429);
    expect(await errorOf(refused)).toMatchObject({
      type: "rate_limit_error",
      code: "rate_limit_exceeded",
      param: null,
      message: expect.stringMatching(
        /^Rate limit reached for requests: 2 per hour\. Please try again in (30m0s|29m5\ds)\.$/,
      ),
    });
    // longer than clients wait: they are told not to
    expect(Number(header(refused, "retry-after"))).toBeWithin(1700, 1801);
    expect(header(refused, "x-should-retry")).toBe("false");
    expect(server.engine.requests).toHaveLength(2);
  });

  test("is told on every reply that was counted, refusals, errors and streams among them", async () => {
    await using server = await testServer({ config: limited("3/hour,50/day") });
    const replies = [
      await server.fetch(transcriptions, form({ stream: "true" })),
      await server.fetch(transcriptions, form({ response_format: "nonsense" })),
      await server.fetch("/v1/realtime/client_secrets", { method: "POST" }),
      await server.fetch("/v1/audio/translations", form()),
    ];
    expect(replies.map(({ status }) => status)).toEqual([200, 400, 200, 429]);
    expect(replies.map((reply) => header(reply, "x-ratelimit-remaining-requests"))).toEqual([
      "2",
      "1",
      "0",
      "0",
    ]);
    for (const reply of replies) {
      expect(header(reply, "x-ratelimit-limit-requests")).toBe("3");
      expect(header(reply, "x-ratelimit-reset-requests")).toMatch(/^(1h0m0s|\d+m\d+s)$/);
      expect(header(reply, "ratelimit-policy")).toBe('"hour";q=3;w=3600, "day";q=50;w=86400');
      expect(header(reply, "ratelimit")).toMatch(/^"hour";r=\d;t=\d+, "day";r=4\d;t=\d+$/);
      for (const name of limitHeadersOf(reply))
        expect(header(reply, "access-control-expose-headers")).toContain(name);
      await reply.text();
    }
  });

  test("leaves what only looks free, and says nothing there", async () => {
    await using server = await testServer({ config: limited("1/hour") });
    for (let count = 0; count < 3; count += 1) {
      const reply = await server.fetch("/v1/models");
      expect([reply.status, limitHeadersOf(reply)]).toEqual([200, []]);
    }
    expect((await server.fetch(transcriptions, form())).status).toBe(200);
    expect((await server.fetch("/health")).status).toBe(200);
  });

  test("that is off is nowhere to be seen", async () => {
    await using server = await testServer();
    expect(limitHeadersOf(await server.fetch(transcriptions, form()))).toEqual([]);
  });

  test("is each caller's own; a wrong key has none", async () => {
    await using server = await testServer({ config: limited("1/hour", "off", { apiKeys: ["ann", "bob"] }) });
    const post = async (key: string) => (await server.fetch(transcriptions, bearer(key, form()))).status;
    expect(await post("ann")).toBe(200);
    expect(await post("ann")).toBe(429);
    expect(await post("bob")).toBe(200);
    const unknown = await server.fetch(transcriptions, bearer("eve", form()));
    expect([unknown.status, limitHeadersOf(unknown)]).toEqual([401, []]);
  });

  test("counts the addresses that a trusted proxy tells apart", async () => {
    const config = limited("1/hour", "off", { trustedProxies: ["loopback"] });
    await using server = await testServer({ config });
    const url = `http://127.0.0.1:${server.listen()}${transcriptions}`;
    const post = async (forwardedFor: string) =>
      (await fetch(url, { ...form(), headers: { "x-forwarded-for": forwardedFor } })).status;
    expect(await post("203.0.113.7")).toBe(200);
    expect(await post("203.0.113.7")).toBe(429);
    expect(await post("203.0.113.8")).toBe(200);
    expect(await post("2001:db8::1")).toBe(200);
    expect(await post("2001:db8::2")).toBe(429);
    expect(await post("1.1.1.1, 203.0.113.7")).toBe(429);
  });

  test("cannot be got around by a header when no proxy is trusted", async () => {
    await using server = await testServer({ config: limited("1/hour") });
    const url = `http://127.0.0.1:${server.listen()}${transcriptions}`;
    const post = async (forwardedFor: string) =>
      (await fetch(url, { ...form(), headers: { "x-forwarded-for": forwardedFor } })).status;
    expect(await post("203.0.113.7")).toBe(200);
    expect(await post("203.0.113.8")).toBe(429);
  });

  test("of a stored key outranks the server's", async () => {
    const store = memoryStore();
    await store.keys.create({
      ...{
        id: "key_1",
        name: "Ann",
        hint: "-ann",
        scopes: ["transcribe"],
        limits: "2/hour",
        audioLimits: null,
      },
      ...{ createdAtMs: 0, expiresAtMs: null, revokedAtMs: null },
      digest: new Bun.CryptoHasher("sha256").update("sk-ann").digest("hex"),
    });
    await using server = await testServer({ store, config: limited("1/hour") });
    const post = () => server.fetch(transcriptions, bearer("sk-ann", form()));
    expect(header(await post(), "x-ratelimit-limit-requests")).toBe("2");
    expect((await post()).status).toBe(200);
    expect((await post()).status).toBe(429);
  });

  test("that fills soon is waited for by the official client", async () => {
    await using server = await testServer({ config: limited("5/second") });
    const baseURL = `http://127.0.0.1:${server.listen()}/v1`;
    const openai = new OpenAI({ apiKey: "any", baseURL, maxRetries: 5 });
    const file = new File(["RIFF..."], "speech.wav");
    const texts = await Promise.all(
      Array.from(
        { length: 8 },
        async () => (await openai.audio.transcriptions.create({ file, model: "whisper-1" })).text,
      ),
    );
    expect(texts).toEqual(Array(8).fill("Hello world."));
  }, 20_000);
});

describe("a limit of audio", () => {
  test("is charged the length of the recording, and told in seconds", async () => {
    await using server = await testServer({
      engine: engineOf(20),
      config: limited("off", "60s/hour,2h/day"),
    });
    const reply = await server.fetch(transcriptions, form());
    expect(reply.status).toBe(200);
    expect(header(reply, "x-ratelimit-limit-audio-seconds")).toBe("60");
    expect(header(reply, "x-ratelimit-remaining-audio-seconds")).toBe("40");
    expect(header(reply, "x-ratelimit-reset-audio-seconds")).toBe("20m0s");
    expect(header(reply, "ratelimit-policy")).toBe(
      '"audio-hour";q=60;w=3600;qu="audio-seconds", "audio-day";q=7200;w=86400;qu="audio-seconds"',
    );
    expect(header(reply, "ratelimit")).toBe('"audio-hour";r=40;t=1200, "audio-day";r=7180;t=240');
  });

  test("refuses what is longer than what is left, with a status for streams too", async () => {
    await using server = await testServer({ engine: engineOf(20), config: limited("off", "50s/hour") });
    let count = 0;
    const post = (fields = {}) => server.fetch(transcriptions, form(fields, `recording ${count++}`));
    expect((await post()).status).toBe(200);
    expect((await (await post({ stream: "true" })).text()).endsWith("[DONE]\r\n\r\n")).toBe(true);
    for (const stream of ["false", "true"]) {
      const refused = await post({ stream });
      expect(refused.status).toBe(429);
      expect(header(refused, "x-ratelimit-remaining-audio-seconds")).toBe("10");
      const { message, code } = await errorOf(refused);
      expect(code).toBe("rate_limit_exceeded");
      expect(message).toMatch(
        /^Rate limit reached for audio: 50s per hour\. Please try again in 1[12]m\d+s\.$/,
      );
    }
  });

  test("gives back what failed before it said anything, and keeps the rest", async () => {
    const engine = engineOf(20);
    await using server = await testServer({ engine, config: limited("off", "60s/hour") });
    const left = async (response: Response) => {
      await response.text();
      const look = await server.fetch("/v1/realtime/client_secrets", { method: "POST" });
      return header(look, "x-ratelimit-remaining-audio-seconds");
    };
    engine.refusal = new AppError("server_overloaded", "full");
    expect(await left(await server.fetch(transcriptions, form()))).toBe("60");
    engine.refusal = null;
    engine.beforeEvent = async (index) => {
      if (index === 1) throw new AppError("internal_error", "broken");
    };
    expect(await left(await server.fetch(transcriptions, form()))).toBe("60");
    engine.beforeEvent = () => Promise.resolve();
    engine.failure = new AppError("internal_error", "broken later");
    expect(await left(await server.fetch(transcriptions, form()))).toBe("40");
  });
});

describe("a live session", () => {
  const closed = (socket: WebSocket) =>
    new Promise<{ code: number; events: { type: string; error?: { code: string } }[] }>((resolve) => {
      const events: { type: string }[] = [];
      socket.onmessage = ({ data }) => {
        events.push(JSON.parse(data));
        if (events[0]?.type === "session.created") socket.close();
      };
      socket.onclose = ({ code }) => resolve({ code, events });
    });

  test("takes a token when it begins, and is refused over the socket without one", async () => {
    await using server = await testServer({ config: limited("1/hour") });
    const url = `ws://127.0.0.1:${server.listen()}/v1/realtime?intent=transcription`;
    expect((await closed(new WebSocket(url))).events[0]?.type).toBe("session.created");
    const refused = await closed(new WebSocket(url));
    expect(refused.code).toBe(1013);
    expect(refused.events.map(({ type, error }) => [type, error?.code])).toEqual([
      ["error", "rate_limit_exceeded"],
    ]);
  });

  test("opened with a secret counts as its maker's", async () => {
    await using server = await testServer({ config: limited("2/hour", "off", { apiKeys: ["ann"] }) });
    const port = server.listen();
    const made = await server.fetch("/v1/realtime/client_secrets", bearer("ann", { method: "POST" }));
    const { value } = await jsonOf<{ value: string }>(made);
    const open = () =>
      closed(
        new WebSocket(`ws://127.0.0.1:${port}/v1/realtime?intent=transcription`, {
          headers: { authorization: `Bearer ${value}` },
        } as unknown as string[]),
      );
    expect((await open()).events[0]?.type).toBe("session.created");
    expect((await open()).code).toBe(1013);
    expect((await server.fetch(transcriptions, bearer("ann", form()))).status).toBe(429);
  });
});

test.each([
  [0, "0s"],
  [0.4, "1ms"],
  [6, "6ms"],
  [999.2, "1s"],
  [1000, "1s"],
  [1500, "1.5s"],
  [59_999.5, "1m0s"],
  [60_000, "1m0s"],
  [360_000, "6m0s"],
  [3_600_000, "1h0m0s"],
  [90_061_000, "25h1m1s"],
])("%p ms are written %p", (ms, text) => {
  expect(duration(ms)).toBe(text);
});
