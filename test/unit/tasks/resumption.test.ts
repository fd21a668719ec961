import { describe, expect, test } from "bun:test";
import type { Segment } from "../../../src/core/transcript.ts";
import { type Correction, Resumption } from "../../../src/tasks/resumption.ts";
import { testSegment } from "../../helpers/engine.ts";

/** A segment of a channel, written as `0a`. */
const made = (name: string, at: number): Segment =>
  testSegment(at, name, { channel: Number(name[0]), startMs: 0, endMs: 1 });
const all = (names: string) => (names === "" ? [] : names.split(" ").map(made));

/** What the store has when a run said `said` after `stored` was there, and how often it was written to. */
function resumed(stored: string, said: string): { names: string; ids: number[]; writes: number } {
  let store = all(stored);
  let writes = 0;
  const take = (correction: Correction | null) => {
    if (!correction) return;
    writes += 1;
    expect(correction.index).toBeLessThanOrEqual(store.length);
    store = [...store.slice(0, correction.index), ...correction.segments];
  };
  const resumption = new Resumption(store);
  for (const segment of all(said)) take(resumption.add(segment));
  take(resumption.end());
  return { names: store.map(({ text }) => text).join(" "), ids: store.map(({ id }) => id), writes };
}

describe("a run after", () => {
  test.each([
    ["nothing", "", "0a 0b 0c", 3],
    ["a part of the same", "0a 0b", "0a 0b 0c 0d", 2],
    ["all of the same", "0a 0b", "0a 0b", 0],
    ["nothing, that says nothing", "", "", 0],
  ])("%s writes only what is new", (_, stored, said, writes) => {
    expect(resumed(stored, said)).toEqual({ names: said, ids: all(said).map(({ id }) => id), writes });
  });

  test.each([
    ["another beginning", "0a 0b 0c", "0x 0b 0c"],
    ["another middle", "0a 0b 0c", "0a 0x 0c"],
    ["a longer text", "0a 0b 0c", "0a 0b"],
    ["a text where there is none", "0a", ""],
  ])("%s corrects the store", (_, stored, said) => {
    expect(resumed(stored, said)).toMatchObject({ names: said, ids: all(said).map(({ id }) => id) });
  });

  test("channels that mixed in another way leaves what is stored where it is", () => {
    expect(resumed("0a 1a 0b", "1a 1b 0a 0b 0c")).toEqual({
      ...{ names: "0a 1a 0b 1b 0c", ids: [0, 1, 2, 3, 4], writes: 2 },
    });
  });

  test("channels of which one said something else keeps each in order", () => {
    const { names, ids } = resumed("0a 1a 0b 1b", "0a 1x 0b 1b 0c");
    expect(names.split(" ").filter((name) => name[0] === "0")).toEqual(["0a", "0b", "0c"]);
    expect(names.split(" ").filter((name) => name[0] === "1")).toEqual(["1x", "1b"]);
    expect(ids).toEqual([0, 1, 2, 3, 4]);
  });
});

test("probabilities that differ are no other text", () => {
  const stored = testSegment(0, "a");
  const resumption = new Resumption([stored]);
  expect(resumption.add({ ...stored, avgLogprob: -0.3, tokens: [] })).toBeNull();
  expect(resumption.end()).toBeNull();
});
