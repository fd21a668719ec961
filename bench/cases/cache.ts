import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DiskBlobs } from "../../src/store/blobs/disk.ts";
import type { Cache } from "../../src/store/cache.ts";
import { redisServer, startRedis } from "../../test/helpers/redis.ts";
import type { Bench, Case } from "../bench.ts";
import { root } from "../build.ts";
import { answersPerSecond } from "../load.ts";
import { spawn, stop, temporaryFolder } from "../process.ts";
import { clips } from "../recordings.ts";
import type { Table } from "../table.ts";

const megabyte = 1e6;
const limits = { ttlMs: 3_600_000, maxBytes: 64 * 2 ** 20 };

/** What is left of an answer when nothing is to be computed: receiving the recording, hashing it, finding and writing the text. */
export const cache: Case = {
  name: "cache",
  about: "cached answers to a recording of 1 MB beside a bare Elysia route, hashing, latency of the stores",
  async run(bench, table) {
    if (!bench.settings.contenders.includes("whisper-api")) return;
    const recording = await speech(bench);
    await answers(bench, table, recording);
    for (let repetition = 0; repetition < bench.settings.repetitions; repetition += 1) {
      table.add("cache", "SHA-256", "GB/s", "whisper-api", recording.length / 1e6 / hashMs(recording));
    }
    await stores(bench, table);
  },
};

/** A WAV file of a megabyte: the clips one after the other. */
async function speech(bench: Bench): Promise<Uint8Array> {
  const headerBytes = 44;
  const names = [...clips, "en-segments.wav"];
  const files = await Promise.all(names.map((name) => Bun.file(bench.recording(name)).bytes()));
  const wav = Buffer.concat(files.map((file, index) => (index === 0 ? file : file.subarray(headerBytes))));
  const cut = wav.subarray(0, megabyte);
  cut.writeUInt32LE(cut.length - 8, 4);
  cut.writeUInt32LE(cut.length - headerBytes, headerBytes - 4);
  return cut;
}

async function answers(bench: Bench, table: Table, recording: Uint8Array): Promise<void> {
  const server = await bench.server("whisper-api");
  const child = spawn([process.execPath, join(root, "bench", "bare.ts")], { stdout: "pipe", stderr: 2 });
  if (!(child.stdout instanceof ReadableStream)) throw new TypeError("Expected a stream for stdout");
  const port = new TextDecoder().decode((await child.stdout.getReader().read()).value).trim();
  const fields = { language: "en", beam_size: "1" };
  const measure = (url: string, forMs: number) =>
    answersPerSecond({ url, recording, fields, clients: 4, forMs });
  const cached = `${server.url}/v1/audio/transcriptions`;
  const [bare, hashing] = [`http://127.0.0.1:${port}/bare`, `http://127.0.0.1:${port}/hashing`];
  // the one that computes, and machine code for all
  for (const url of [cached, bare, hashing]) await measure(url, 1000);
  for (let repetition = 0; repetition < bench.settings.repetitions; repetition += 1) {
    const ours = await measure(cached, 1500);
    const route = await measure(bare, 1500);
    const hashingRoute = await measure(hashing, 1500);
    const withoutHash = 1000 / (1000 / ours - hashMs(recording));
    const add = (what: string, unit: "per second" | "times", value: number) =>
      table.add("cache", what, unit, "whisper-api", value);
    add("1 MB, answers", "per second", ours);
    add("1 MB, answers of a bare Elysia route", "per second", route);
    add("1 MB, ÷ bare route", "times", ours / route);
    add("1 MB, ÷ bare route, less the time of SHA-256", "times", withoutHash / route);
    add("1 MB, ÷ bare route that hashes too", "times", ours / hashingRoute);
  }
  await stop(child);
}

/** Of one pass, in pieces as they come from a socket. */
function hashMs(bytes: Uint8Array): number {
  const rounds = 50;
  const started = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    const hasher = new Bun.CryptoHasher("sha256");
    for (let at = 0; at < bytes.length; at += 131_072) hasher.update(bytes.subarray(at, at + 131_072));
    hasher.digest();
  }
  return (performance.now() - started) / rounds;
}

async function stores(bench: Bench, table: Table): Promise<void> {
  // Imported late: the other cases need no database.
  const [{ openSqliteStore }, { openRedisStore }] = await Promise.all([
    import("../../src/store/sqlite/open.ts"),
    import("../../src/store/redis/open.ts"),
  ]);
  const dir = join(temporaryFolder(), "store");
  mkdirSync(dir);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const options = { log, cache: limits, blobs: new DiskBlobs(dir) };
  const sqlite = openSqliteStore(dir, options);
  await latency(bench, table, "SQLite", sqlite.cache);
  await sqlite.close();
  if (!redisServer) {
    table.notes.add("cache: redis-server is not installed, its latency was not measured");
    return;
  }
  await using redis = await startRedis("--appendonly", "no");
  const store = openRedisStore({ url: redis.url, prefix: "bench", ...options });
  while (!store.isAvailable) await Bun.sleep(1);
  await latency(bench, table, "Redis", store.cache);
  await store.close();
}

/** One after the other, of 1000 entries of the size that a minute of speech has. */
async function latency(bench: Bench, table: Table, name: string, cache: Cache): Promise<void> {
  const keys = Array.from({ length: 1000 }, (_, index) => `key ${index}`);
  const value = crypto.getRandomValues(new Uint8Array(5000));
  const each = async (what: string, act: (key: string) => Promise<unknown>) => {
    const started = performance.now();
    for (const key of keys) await act(key);
    const us = ((performance.now() - started) * 1000) / keys.length;
    table.add("cache", `${name}, ${what}`, "µs", "whisper-api", us);
  };
  for (let repetition = 0; repetition < bench.settings.repetitions; repetition += 1) {
    await each("store 5 kB", (key) => cache.put(key, value));
    await each("find 5 kB", (key) => cache.get(key));
    await each("find nothing", (key) => cache.get(`no ${key}`));
  }
}
