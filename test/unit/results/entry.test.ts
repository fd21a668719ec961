import { expect, test } from "bun:test";
import type { TranscriptEvent } from "../../../src/core/transcript.ts";
import { decodeEntry, encodeEntry } from "../../../src/results/entry.ts";
import { testSegment } from "../../helpers/engine.ts";

const token = (logprob: number, bytes: readonly number[] = [0, 255, 13]) => ({
  id: 50_364,
  bytes: Uint8Array.from(bytes),
  probability: Math.exp(logprob),
  logprob,
  startMs: null,
  endMs: 120,
});

const events: TranscriptEvent[] = [
  { type: "start", durationMs: 1500, channels: 1 },
  { type: "attempt", number: 0, temperature: 0.6000000238418579 },
  { type: "token", token: token(-0.1), windowMs: 0 },
  { type: "token", token: token(-1e-300, []), windowMs: null },
  {
    type: "segment",
    segment: testSegment(0, ' "Grüße" 日本\u2028\u0000', {
      tokens: [token(Number.MIN_VALUE), token(-100)],
      words: [{ text: " Grüße", startMs: 1, endMs: 2, probability: 1 / 3 }],
      avgLogprob: Math.fround(-0.1234567),
    }),
  },
  { type: "progress", doneMs: 1500, totalMs: 1500 },
  { type: "done", language: "de" },
];
const entry = { storedAtMs: 1_800_000_000_123, events };

test("an entry comes back as it was", async () => {
  expect(await decodeEntry("key", await encodeEntry("key", entry))).toEqual(entry);
});

test("what is asked for again while somebody holds it is not decoded again", async () => {
  const bytes = await encodeEntry("key", entry);
  const held = await decodeEntry("key", bytes);
  expect(await decodeEntry("key", Uint8Array.from(bytes))).toBe(held);
  expect(await decodeEntry("key", await encodeEntry("key", { ...entry, storedAtMs: 1 }))).not.toBe(held);
});

test("no digit of a number is lost", async () => {
  const bits = new DataView(new ArrayBuffer(8));
  const numbers = Array.from({ length: 2000 }, () => {
    crypto.getRandomValues(new Uint8Array(bits.buffer));
    return bits.getFloat64(0);
  }).filter(Number.isFinite);
  const events = numbers.map((number) => ({ type: "token" as const, token: token(number), windowMs: null }));
  const read = await decodeEntry("key", await encodeEntry("key", { storedAtMs: 0, events }));
  expect(read?.events.map((event) => (event.type === "token" ? event.token.logprob : null))).toEqual(numbers);
});

test("damage anywhere, or another key, makes it none", async () => {
  const bytes = await encodeEntry("key", entry);
  for (let at = 0; at < bytes.length; at += 1) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    expect(await decodeEntry("key", damaged)).toBeNull();
    expect(await decodeEntry("key", bytes.subarray(0, at))).toBeNull();
  }
  expect(await decodeEntry("another key", bytes)).toBeNull();
  expect(await decodeEntry("key", Uint8Array.from([...bytes, 0]))).toBeNull();
});

/** An entry as somebody would forge it. */
const forged = (packed: Uint8Array) =>
  Buffer.concat([new Bun.CryptoHasher("sha256").update("key").update(packed).digest(), packed]);

test("what was written by somebody else, behind the right digest, is none", async () => {
  expect(await decodeEntry("key", forged(Buffer.from("no zstd")))).toBeNull();
  for (const json of [
    "",
    "{",
    "null",
    "1",
    "{}",
    '{"events":1}',
    "{}\n[]",
    "1\n[null]",
    "1\n{}",
    '"1"\n[{}]',
  ]) {
    expect([json, await decodeEntry("key", forged(Bun.zstdCompressSync(json)))]).toEqual([json, null]);
  }
});

test("a few bytes that would become gigabytes are not unpacked", async () => {
  const bomb = Bun.zstdCompressSync(Buffer.alloc(512 * 2 ** 20));
  expect(bomb.length).toBeLessThan(100_000);
  const before = process.memoryUsage().rss;
  expect(await decodeEntry("key", forged(bomb))).toBeNull();
  expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20);
});

test("a long result is written and read in pieces, between which others have their turn", async () => {
  const words = Array.from({ length: 12 }, (_, at) => ({
    text: " word",
    startMs: at,
    endMs: at,
    probability: 0.5,
  }));
  const said = Array.from({ length: 600 }, (_, id) => {
    const tokens = Array.from({ length: 16 }, () => token(-Math.random()));
    return [
      ...tokens.map((each) => ({ type: "token" as const, token: each, windowMs: id })),
      { type: "segment" as const, segment: testSegment(id, " word", { tokens, words }) },
    ];
  }).flat();
  let turns = 0;
  let goesOn = true;
  const count = () => {
    turns += 1;
    if (goesOn) setImmediate(count);
  };
  count();
  const bytes = await encodeEntry("key", { storedAtMs: 1, events: said });
  const whileWritten = turns;
  const read = await decodeEntry("key", bytes);
  goesOn = false;
  expect(read?.events).toHaveLength(said.length);
  expect(read?.events.at(-1)).toEqual(said.at(-1) as TranscriptEvent);
  expect(whileWritten).toBeGreaterThan(18);
  expect(turns - whileWritten).toBeGreaterThan(18);
});
