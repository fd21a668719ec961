/** A segment as text that is stored: nothing is lost, and the bytes of its tokens take little room. */
import type { Segment, Token } from "./transcript.ts";

/** id, bytes in base64, probability, log-probability; start and end where they are known. */
type TokenRow =
  | readonly [number, string, number, number, number | null, number | null]
  | readonly [number, string, number, number];

const rowOf = ({ id, bytes, probability, logprob, startMs, endMs }: Token): TokenRow => {
  const row = [id, bytes.length === 0 ? "" : bytes.toBase64(), probability, logprob] as const;
  return startMs === null && endMs === null ? row : [...row, startMs, endMs];
};

const tokenOf = ([id, bytes, probability, logprob, startMs = null, endMs = null]: TokenRow): Token => ({
  ...{ id, probability, logprob, startMs, endMs },
  bytes: Uint8Array.fromBase64(bytes),
});

/** JSON on one line. */
export const writeSegment = ({ tokens, ...segment }: Segment): string =>
  JSON.stringify({ ...segment, tokens: tokens.map(rowOf) });

/** What writeSegment() was given. Throws SyntaxError for any other text. */
export function readSegment(text: string): Segment {
  const { tokens, ...segment } = JSON.parse(text) as Omit<Segment, "tokens"> & {
    tokens: readonly TokenRow[];
  };
  return { ...segment, tokens: tokens.map(tokenOf) };
}
