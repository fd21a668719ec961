import { expect, test } from "bun:test";
import { readSegment, writeSegment } from "../../../src/core/segment-json.ts";
import type { Segment, Token } from "../../../src/core/transcript.ts";
import { testSegment } from "../../helpers/engine.ts";

const token = (more: Partial<Token>): Token => ({
  ...{ id: 7, bytes: new Uint8Array(), probability: 0.1 + 0.2, logprob: -1e-9, startMs: null, endMs: null },
  ...more,
});

test.each<[string, Partial<Segment>]>([
  [
    "with words and times of tokens",
    {
      tokens: [token({ startMs: 0, endMs: 20 }), token({ startMs: 20, endMs: 20 })],
      words: [{ text: " ünï", startMs: 0, endMs: 20, probability: 1 / 3 }],
    },
  ],
  [
    "with half a character",
    { tokens: [token({ bytes: new Uint8Array([0xe4, 0xb8]) })], text: '\u0000\u2028"' },
  ],
  ["with a timestamp token", { tokens: [token({ bytes: new Uint8Array() })], text: "" }],
  ["with nothing", { tokens: [], text: "", avgLogprob: -0, speakerTurn: true, channel: 3 }],
])("a segment %s is read as it was written, on one line", (_, more) => {
  const segment = testSegment(3, " text", more);
  const text = writeSegment(segment);
  expect(text).not.toContain("\n");
  expect(readSegment(text)).toEqual({ ...segment, avgLogprob: segment.avgLogprob + 0 });
});

test("what is no segment is not read", () => {
  expect(() => readSegment("")).toThrow(SyntaxError);
});
