/**
 * A result as it is cached: all events of its run, so that every format and a stream can be made of it. JSON in zstd, behind a digest
 * of the key and the rest: whatever else is found under the key is no entry.
 */
import { zstdDecompressSync } from "node:zlib";
import { eventFromJson, eventToJson, type JsonEvent } from "../core/event-json.ts";
import type { TranscriptEvent } from "../core/transcript.ts";

export interface Entry {
  readonly storedAtMs: number;
  readonly events: readonly TranscriptEvent[];
}

interface Written {
  readonly storedAtMs: number;
  readonly events: readonly JsonEvent[];
}

const digestBytes = 32;
/** Of an entry's JSON: a day of speech takes about 100 MB. A few bytes of zstd may say that they become terabytes. */
const maxJsonBytes = 256 * 2 ** 20;

const digestOf = (key: string, packed: Uint8Array) =>
  new Bun.CryptoHasher("sha256").update(key).update(packed).digest();

export function encodeEntry(key: string, { storedAtMs, events }: Entry): Uint8Array {
  const written: Written = { storedAtMs, events: events.map(eventToJson) };
  const packed = Bun.zstdCompressSync(JSON.stringify(written));
  return Buffer.concat([digestOf(key, packed), packed]);
}

/** null: it is damaged, or not of `key`. Never throws. */
export function decodeEntry(key: string, bytes: Uint8Array): Entry | null {
  const packed = bytes.subarray(digestBytes);
  if (!digestOf(key, packed).equals(bytes.subarray(0, digestBytes))) return null;
  try {
    const json = zstdDecompressSync(packed, { maxOutputLength: maxJsonBytes });
    const { storedAtMs, events }: Written = JSON.parse(json.toString());
    return { storedAtMs, events: events.map(eventFromJson) };
  } catch {
    return null;
  }
}
