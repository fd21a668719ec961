/** G.711 to linear samples: what telephones send. */
import { decodeSample as decodeA } from "wavefile/lib/codecs/alaw.js";
import { decodeSample as decodeMu } from "wavefile/lib/codecs/mulaw.js";

const table = (decode: (byte: number) => number) =>
  Int16Array.from({ length: 256 }, (_, byte) => decode(byte));
const tables = { "audio/pcmu": table(decodeMu), "audio/pcma": table(decodeA) };

/** Signed 16-bit little-endian samples, 8 kHz. */
export function decodeG711(bytes: Uint8Array, type: keyof typeof tables): Uint8Array {
  const samples = new DataView(new ArrayBuffer(2 * bytes.length));
  const decoded = tables[type];
  for (const [index, byte] of bytes.entries()) samples.setInt16(2 * index, decoded[byte] ?? 0, true);
  return new Uint8Array(samples.buffer);
}
