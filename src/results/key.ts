/** What makes a result: whoever asks for the same gets the same. */
import { version } from "../../package.json";
import { defaultOptions, type Options, seedOf } from "../core/options.ts";

/** Digests of what computes. */
export interface Weights {
  readonly model: string;
  /** Of voice activity detection; null: there is none. */
  readonly vad: string | null;
}

/** Raised when entries are written in another way. */
const format = 3;

/** In an order of their own, whatever that of a request's options is. */
const optionNames = (Object.keys(defaultOptions) as (keyof Options)[]).sort();
const program = JSON.stringify([format, version, optionNames]);

/**
 * SHA-256, in hex, of all that the events depend on: the recording's bytes, the weights, the options, and this program, which may
 * decode otherwise in its next version. Not the name of the file, and nothing of how the answer is to look.
 */
export function resultKey(sha256: string, options: Options, weights: Weights): string {
  const digests = [weights.model, options.vad ? weights.vad : null];
  const decoding = optionNames.map((name) => (name === "seed" ? seedOf(options) : options[name]));
  const request = JSON.stringify([sha256, digests, decoding]);
  return new Bun.CryptoHasher("sha256").update(program).update(request).digest("hex");
}
