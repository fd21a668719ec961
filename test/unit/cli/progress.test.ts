import { describe, expect, spyOn, test } from "bun:test";
import { clock, downloadProgress, recordingLine, shorten } from "../../../src/cli/progress.ts";

/** What `act` writes to a stderr that is no terminal, as in this process of tests. */
function written(act: () => void): string {
  let text = "";
  const spy = spyOn(process.stderr, "write").mockImplementation((piece) => {
    text += piece;
    return true;
  });
  const { isTTY } = process.stderr;
  process.stderr.isTTY = false;
  try {
    act();
  } finally {
    process.stderr.isTTY = isTTY;
    spy.mockRestore();
  }
  return text;
}

const at = (percent: number) => ({
  doneBytes: (percent * 141 * 2 ** 20) / 100,
  totalBytes: 141 * 2 ** 20,
  bytesPerSecond: 12 * 2 ** 20,
});

describe("a download without a terminal", () => {
  test("says a line every ten percent, the last one for the whole", () => {
    const text = written(() => {
      const onProgress = downloadProgress("base");
      for (let percent = 0; percent <= 100; percent += 1) onProgress(at(percent));
    });
    const lines = text.trimEnd().split("\n");
    expect(lines).toHaveLength(10);
    expect(lines[4]).toBe("base  50 %  70.5 of 141.0 MiB  12.0 MiB/s  0:06 left");
    expect(lines[9]).toBe("base  100 %  141.0 of 141.0 MiB  12.0 MiB/s");
  });

  test("draws no bar and no colour", () => {
    expect(written(() => downloadProgress("base")(at(40)))).toMatch(/^[\x20-\x7e]+\n$/);
  });

  test("promises no time before anything has come", () => {
    const text = written(() => downloadProgress("base")({ doneBytes: 1, totalBytes: 2, bytesPerSecond: 0 }));
    expect(text).not.toMatch(/left|Infinity|NaN/);
  });
});

describe("the line of a recording", () => {
  test("has audio done, speed and the time that remains", () => {
    expect(recordingLine("talk.mp3", 760, 1800, 100)).toMatch(
      /^talk\.mp3 {2}.* 42 % {2}12:40 of 30:00 {2}7\.6x {2}2:17 left$/,
    );
  });

  test("promises nothing before the first window", () => {
    expect(recordingLine("talk.mp3", 0, 1800, 3)).not.toContain("left");
    expect(recordingLine("talk.mp3", 0, 0, 3)).toBe("talk.mp3  0:03");
  });

  test.each([
    [0, 30, 1],
    [30, 30, 1],
    [40, 30, 1],
    [45_000, 90_000, 360_000],
  ])("fits into 80 columns for %d of %d s", (done, total, elapsed) => {
    const line = recordingLine("a-name-that-is-much-too-long-for-a-line.mp3", done, total, elapsed);
    expect(Bun.stringWidth(line)).toBeLessThan(80);
  });
});

test.each([
  [0, "0:00"],
  [59.6, "1:00"],
  [3599, "59:59"],
  [3600, "1:00:00"],
  [-1, "0:00"],
])("%d seconds are %p", (seconds, expected) => {
  expect(clock(seconds)).toBe(expected);
});

test("a long name keeps its end", () => {
  expect(shorten("interview-2024-05-17.mp3", 12)).toBe(
    "…2024-05-17.mp3".slice(0, 1) + "24-05-17.mp3".slice(1),
  );
  expect(shorten("short.mp3", 12)).toBe("short.mp3");
});
