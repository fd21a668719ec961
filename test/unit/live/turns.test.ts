import { describe, expect, test } from "bun:test";
import { frameMs, maxTurnMs, TurnDetector, type TurnEvent } from "../../../src/live/turns.ts";

const settings = { threshold: 0.5, prefixPaddingMs: 300, silenceDurationMs: 200 };

/** All that a detector finds in a run of probabilities, told `atOnce` of them at a time. */
function turns(
  probabilities: readonly number[],
  { atOnce = 1, fromMs = 0, ...more }: Partial<typeof settings> & { atOnce?: number; fromMs?: number } = {},
): TurnEvent[] {
  const detector = new TurnDetector({ ...settings, ...more }, fromMs);
  const events: TurnEvent[] = [];
  for (let from = 0; from < probabilities.length; from += atOnce) {
    const part = probabilities.slice(from, from + atOnce);
    events.push(...detector.push(Float32Array.from(part), (from + part.length) * frameMs));
  }
  return events;
}
const frames = (count: number, probability: number) => Array<number>(count).fill(probability);
const speech = [...frames(20, 0.01), ...frames(10, 0.9), ...frames(20, 0.01)];

describe("a turn", () => {
  test("starts before its speech by the padding, and ends after it with the silence", () => {
    expect(turns(speech)).toEqual([
      { type: "started", startMs: 20 * 32 - 300 },
      { type: "stopped", endMs: 30 * 32 + 224 }, // 200 ms are 6.25 frames
    ]);
  });

  test("is the same however many frames are told at once", () => {
    for (const atOnce of [2, 3, 7, 50]) expect(turns(speech, { atOnce })).toEqual(turns(speech));
  });

  test("does not start before the audio does", () => {
    expect(turns([...frames(3, 0.9), ...frames(9, 0)])[0]).toEqual({ type: "started", startMs: 0 });
  });

  test("does not reach into the one before", () => {
    const events = turns([...frames(10, 0.9), ...frames(8, 0), ...frames(10, 0.9)]);
    expect(events.map(({ type }) => type)).toEqual(["started", "stopped", "started"]);
    const [, stopped, second] = events;
    if (stopped?.type !== "stopped" || second?.type !== "started") throw new Error("other events");
    expect(second.startMs).toBe(stopped.endMs);
  });

  test("is not made by one frame", () => {
    expect(turns([...frames(5, 0), 0.99, ...frames(5, 0), 0.99, ...frames(5, 0)])).toEqual([]);
  });

  test("goes on through a pause that is shorter than the silence", () => {
    const events = turns([...frames(5, 0.9), ...frames(5, 0), ...frames(5, 0.9), ...frames(10, 0)]);
    expect(events).toEqual([
      { type: "started", startMs: 0 },
      { type: "stopped", endMs: 15 * 32 + 224 },
    ]);
  });

  test("goes on while speech is just less certain than the threshold", () => {
    expect(turns([...frames(5, 0.9), ...frames(50, 0.4)])).toEqual([{ type: "started", startMs: 0 }]);
  });

  test("needs speech as certain as the threshold says", () => {
    expect(turns(speech, { threshold: 0.95 })).toEqual([]);
    expect(turns(frames(10, 0), { threshold: 0 })).toHaveLength(1);
  });

  test("ends with the first silent frame when no silence is asked for", () => {
    expect(turns(speech, { silenceDurationMs: 0 })[1]).toEqual({ type: "stopped", endMs: 31 * 32 });
  });

  test("ends though nobody pauses", () => {
    const events = turns(frames(maxTurnMs / frameMs + 10, 0.9), { atOnce: 100 });
    expect(events.map(({ type }) => type)).toEqual(["started", "stopped", "started"]);
    expect(events[1]).toEqual({ type: "stopped", endMs: maxTurnMs });
  });

  test("is found in what comes after a given time only", () => {
    expect(turns(speech, { fromMs: 25 * 32 })[0]).toEqual({ type: "started", startMs: 25 * 32 });
    expect(turns(speech, { fromMs: 31 * 32 })).toEqual([]);
  });
});

test("reset() forgets an open turn, and what was heard before", () => {
  const detector = new TurnDetector(settings, 0);
  expect(detector.push(Float32Array.from(frames(5, 0.9)), 160)).toHaveLength(1);
  detector.reset(320);
  expect(detector.push(Float32Array.from(frames(5, 0.9)), 320)).toEqual([]);
  expect(detector.push(Float32Array.from(frames(10, 0)), 640)).toEqual([]);
});
