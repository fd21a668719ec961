import { expect, test } from "bun:test";
import { responseFormats } from "../../src/core/formats.ts";
import { readCacheControl } from "../../src/http/cache-control.ts";
import { FakeEngine, testSegment } from "../helpers/engine.ts";
import { form, type TestServer, testServer } from "../helpers/server.ts";
import { memoryStore } from "../helpers/stores.ts";

const path = "/v1/audio/transcriptions";

async function post(server: TestServer, fields: Record<string, string> = {}, cacheControl?: string) {
  const headers = cacheControl === undefined ? {} : { "cache-control": cacheControl };
  const response = await server.fetch(path, { ...form(fields), headers });
  const body = await response.text();
  return { status: response.status, cache: response.headers.get("x-cache"), body, headers: response.headers };
}

test("a reply says where it comes from, also a stream, and pages of other origins may read that", async () => {
  await using server = await testServer();
  expect(await post(server)).toMatchObject({ status: 200, cache: "miss" });
  const again = await post(server, { stream: "true" });
  expect(again).toMatchObject({ status: 200, cache: "hit" });
  expect(again.headers.get("access-control-expose-headers")).toContain("x-cache");
  expect(await post(server, {}, "no-cache")).toMatchObject({ cache: "miss" });
  expect(await post(server, {}, "no-store")).toMatchObject({ cache: "bypass" });
  expect(await post(server, { temperature: "0.5" })).toMatchObject({ cache: "bypass" });
  expect(server.engine.requests).toHaveLength(4);
});

test("every format, streamed or not, is answered from one run", async () => {
  await using server = await testServer();
  for (const format of responseFormats.filter((format) => format !== "diarized_json")) {
    for (const stream of ["false", "true"]) {
      const { status, cache } = await post(server, { response_format: format, stream });
      const isFirst = format === responseFormats[0] && stream === "false";
      expect([format, stream, status, cache]).toEqual([format, stream, 200, isFirst ? "miss" : "hit"]);
    }
  }
  expect(server.engine.requests).toHaveLength(1);
});

test("the answer from the cache is the first one, byte for byte, whatever floats are in it", async () => {
  const probabilities = Array.from({ length: 50 }, () => Math.fround(Math.random()));
  const segments = probabilities.map((noSpeechProb, id) =>
    testSegment(id, ` Wörter ${id}.`, { noSpeechProb, avgLogprob: Math.log(Math.random()), seek: id }),
  );
  for (const fields of [
    { response_format: "verbose_json" },
    { response_format: "verbose_json", stream: "true" },
    { response_format: "srt" },
  ]) {
    await using server = await testServer({ engine: new FakeEngine(undefined, segments) });
    const first = await post(server, fields);
    const second = await post(server, fields);
    expect([first.cache, second.cache]).toEqual(["miss", "hit"]);
    expect(second.body).toBe(first.body);
  }
});

test("the line of a request in the log says where its answer came from, also of a stream", async () => {
  await using server = await testServer();
  for (const stream of ["false", "false", "true"]) await post(server, { stream });
  await post(server, { temperature: "2" });
  const told = server.log.filter(({ message }) => message === "request").map(({ fields }) => fields?.cache);
  expect(told).toEqual(["miss", "hit", "hit", undefined]);
});

test("uploads that arrive together are one run, and all leave nothing behind", async () => {
  await using server = await testServer();
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, index) => post(server, { stream: `${index % 2 === 0}` })),
  );
  expect(server.engine.requests).toHaveLength(1);
  expect(all.filter(({ cache }) => cache === "miss")).toHaveLength(1);
  expect(all.filter(({ cache }) => cache === "join")).toHaveLength(19);
});

test("a small file that is found in the cache never touches the disk", async () => {
  const store = memoryStore();
  const shared = {
    get: (key: string) => store.cache.get(key),
    put: store.cache.put.bind(store.cache),
    size: store.cache.size.bind(store.cache),
  };
  await using server = await testServer({ store: { ...store, cache: shared } });
  expect((await post(server)).cache).toBe("miss");
  await using diskless = await testServer({
    store: { ...store, cache: shared, async close() {} },
    config: { uploadDir: "/dev/null/uploads" },
  });
  expect((await post(diskless)).cache).toBe("hit");
  expect((await post(diskless, {}, "no-store")).status).toBe(500);
});

test("a refusal has no word about the cache, and is not remembered", async () => {
  await using server = await testServer();
  expect(await post(server, { temperature: "2" })).toMatchObject({ status: 400, cache: null });
  server.engine.failure = new Error("broken");
  expect(await post(server)).toMatchObject({ status: 500, cache: null });
  server.engine.failure = null;
  expect(await post(server)).toMatchObject({ status: 200, cache: "miss" });
});

test.each([
  [null, Number.POSITIVE_INFINITY],
  ["", Number.POSITIVE_INFINITY],
  ["no-transform", Number.POSITIVE_INFINITY],
  ["max-age", Number.POSITIVE_INFINITY],
  ["max-age=", Number.POSITIVE_INFINITY],
  ["max-age=-1", Number.POSITIVE_INFINITY],
  ["max-age=1.5", Number.POSITIVE_INFINITY],
  ["max-age=60", 60_000],
  ['max-age="60"', 60_000],
  ["max-age=60, max-age=30", 30_000],
  ["Max-Age=0", 0],
  ["no-cache", 0],
  ["NO-CACHE, max-age=60", 0],
  ["max-age=100000000000000000000", 1e23],
] as const)("Cache-Control %p allows results of %p ms", (header, maxAgeMs) => {
  expect(readCacheControl(header)).toEqual({ maxAgeMs });
});

test.each(["no-store", " No-Store ", "no-cache,no-store", "max-age=5,no-store"])(
  "Cache-Control %p keeps away from all others",
  (header) => {
    expect(readCacheControl(header)).toBe("no-store");
  },
);
