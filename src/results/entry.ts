/**
 * A result as it is cached: all events of its run, so that every format and a stream can be made of it. Lines of JSON in zstd, behind a
 * digest of the key and the rest: whatever else is found under the key is no entry.
 */
import { promisify } from "node:util";
import { zstdDecompress, zstdDecompressSync } from "node:zlib";
import { eventFromJson, eventToJson, type JsonEvent } from "../core/event-json.ts";
import { nextTurn } from "../core/next-turn.ts";
import type { TranscriptEvent } from "../core/transcript.ts";

export interface Entry {
  readonly storedAtMs: number;
  readonly events: readonly TranscriptEvent[];
}

const digestBytes = 32;
/** They take about a millisecond. */
const eventsPerLine = 500;
/** JSON that is packed where it is: another thread would not be worth the way there. */
const shortBytes = 2 ** 18;
/** Of an entry's JSON: a day of speech takes about 100 MB. A few bytes of zstd may say that they become terabytes. */
const maxJsonBytes = 256 * 2 ** 20;

const unpack = promisify(zstdDecompress);

const digestOf = (key: string, packed: Uint8Array) =>
  new Bun.CryptoHasher("sha256").update(key).update(packed).digest();

/** Resolves with the bytes; other work of this thread goes on meanwhile. */
export async function encodeEntry(key: string, { storedAtMs, events }: Entry): Promise<Uint8Array> {
  const lines = [JSON.stringify(storedAtMs)];
  for (let at = 0; at < events.length; at += eventsPerLine) {
    if (at > 0) await nextTurn();
    lines.push(JSON.stringify(events.slice(at, at + eventsPerLine).map(eventToJson)));
  }
  const json = lines.join("\n");
  const packed = json.length < shortBytes ? Bun.zstdCompressSync(json) : await Bun.zstdCompress(json);
  return Buffer.concat([digestOf(key, packed), packed]);
}

/** What has been decoded, by its digest: many may ask for one recording within a short time. Held by nothing else it goes. */
const decoded = new Map<string, WeakRef<Entry>>();
const gone = new FinalizationRegistry((digest: string) => {
  if (!decoded.get(digest)?.deref()) decoded.delete(digest);
});

/** null: it is damaged, or not of `key`. Never rejects. Other work of this thread goes on meanwhile. */
export async function decodeEntry(key: string, bytes: Uint8Array): Promise<Entry | null> {
  const packed = bytes.subarray(digestBytes);
  const digest = digestOf(key, packed);
  if (!digest.equals(bytes.subarray(0, digestBytes))) return null;
  const name = digest.toString("latin1");
  const known = decoded.get(name)?.deref();
  if (known) return known;
  const entry = await unpackEntry(packed);
  if (entry) {
    decoded.set(name, new WeakRef(entry));
    gone.register(entry, name);
  }
  return entry;
}

async function unpackEntry(packed: Uint8Array): Promise<Entry | null> {
  try {
    const bounds = { maxOutputLength: maxJsonBytes };
    const isShort = packed.length < shortBytes / 4;
    const json = isShort ? zstdDecompressSync(packed, bounds) : await unpack(packed, bounds);
    const first = endOfLine(json, 0);
    const storedAtMs: unknown = JSON.parse(json.toString("utf8", 0, first));
    const events: TranscriptEvent[] = [];
    for (let at = first + 1; at < json.length; ) {
      const end = endOfLine(json, at);
      const line: JsonEvent[] = JSON.parse(json.toString("utf8", at, end));
      for (const event of line) events.push(eventFromJson(event));
      at = end + 1;
      if (at < json.length) await nextTurn();
    }
    return typeof storedAtMs === "number" && events.length > 0 ? { storedAtMs, events } : null;
  } catch {
    return null;
  }
}

function endOfLine(json: Buffer, from: number): number {
  const at = json.indexOf("\n", from);
  return at < 0 ? json.length : at;
}
