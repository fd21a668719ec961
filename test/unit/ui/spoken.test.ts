import { describe, expect, test } from "bun:test";
import type { Segment, Word } from "../../../src/core/transcript.ts";
import { isUnsure, piecesOf, placeAt } from "../../../src/modules/ui/page/spoken.ts";
import { spokenSegment } from "../../../src/modules/ui/page/wire.ts";

const word = (text: string, startMs: number, endMs = startMs + 100): Word => ({
  ...{ text, startMs, endMs },
  probability: 1,
});

describe("the words of a text", () => {
  const shown = (text: string, ...words: string[]) =>
    piecesOf(
      text,
      words.map((each, index) => word(each, index)),
    ).map(({ text: part, word: index }) => (index === null ? part : `[${index}:${part}]`));

  test("are found in order, and what stands between them belongs to none", () => {
    expect(shown("“No, no”, he said.", "No", "no", "he", "said")).toEqual([
      ...["“", "[0:No]", ", ", "[1:no]", "”, ", "[2:he]", " ", "[3:said]", "."],
    ]);
  });

  test("that are not in it are left out, and none of the text is lost", () => {
    expect(shown("a b c", "a", "x", "c")).toEqual(["[0:a]", " b ", "[2:c]"]);
    expect(shown("谢谢你", "谢谢", "你")).toEqual(["[0:谢谢]", "[1:你]"]);
    expect(shown("nothing")).toEqual(["nothing"]);
    expect(shown("")).toEqual([]);
  });
});

describe("the place of a time", () => {
  const segments: Segment[] = [
    { ...spokenSegment(0, 1000, 2000, " a b"), words: [word("a", 1000), word("b", 1500)] },
    { ...spokenSegment(1, 5000, 6000, " c"), words: [word("c", 5200)] },
    spokenSegment(2, 6000, 7000, " d"),
  ];

  test.each([
    ["before all of them there is none", 999, null],
    ["at a beginning is that word", 1000, { segment: 0, word: 0 }],
    ["between two words is the one before", 1450, { segment: 0, word: 0 }],
    ["shortly after its end is still the last word", 2200, { segment: 0, word: 1 }],
    ["in a long pause there is none", 3000, null],
    ["in a segment whose first word has not begun has no word", 5100, { segment: 1, word: -1 }],
    ["in a segment without word times has no word", 6500, { segment: 2, word: -1 }],
    ["after all of them there is none", 9000, null],
  ])("%s", (_, ms, place) => {
    expect(placeAt(segments, ms)).toEqual(place);
  });

  test("without segments there is none", () => {
    expect(placeAt([], 0)).toBeNull();
  });
});

test("a word is in doubt when it is less likely than not", () => {
  expect([0, 0.49, 0.5, 1].map(isUnsure)).toEqual([true, true, false, false]);
});
