/** A process may end while native work goes on: it ends promptly, with its own code, and never by a crash. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { inChild } from "./in-child.ts";

setDefaultTimeout(300_000);

describe("while a run, a decoding and a loading go on", () => {
  test("process.exit() ends the process with its code, before the run has ended", async () => {
    expect(await inChild("exit")).toMatchObject({ code: 3, signal: null, lines: ["busy"] });
  });

  test("an unhandled rejection ends the process with 1, and says why", async () => {
    const ended = await inChild("rejection");
    expect(ended).toMatchObject({ code: 1, signal: null, lines: ["busy"] });
    expect(ended.stderr).toContain("nobody catches this");
  });

  test("an uncaught exception ends the process with 1, and says why", async () => {
    const ended = await inChild("exception");
    expect(ended).toMatchObject({ code: 1, signal: null, lines: ["busy"] });
    expect(ended.stderr).toContain("nobody catches this");
  });

  test("process.exit() within a listener ends the process with its code", async () => {
    expect(await inChild("listener that exits")).toMatchObject({ code: 4, signal: null });
  });
});

test("a process with nothing else to do waits for its run", async () => {
  expect(await inChild("end")).toMatchObject({ code: 0, signal: null, lines: ["done"] });
});

test("a listener that throws is an uncaught exception, and the run still ends", async () => {
  const { code, signal, lines } = await inChild("throwing listener");
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  expect(lines.filter((line) => line !== "progress")).toEqual([
    "segment",
    "uncaught from the listener",
    "done",
  ]);
});

test("a log sink that throws is an uncaught exception, and the run still ends", async () => {
  const { code, signal, lines } = await inChild("throwing log sink");
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  expect(lines[0]).toBe("uncaught from the sink");
  expect(lines.at(-1)).toBe("done");
});

test("a run may be cancelled at any time, also after its end", async () => {
  const { code, signal, lines } = await inChild("cancel at any time");
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  expect(lines).toEqual([expect.stringMatching(/^cancelled( done)?$/), "io"]);
});

test.skipIf(process.platform !== "linux")(
  "a system that gives no thread is an error with the code internal, and the next call has its thread",
  async () => {
    const { code, signal, lines } = await inChild("no threads");
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    expect(lines).toEqual(["internal internal internal internal", "done"]);
  },
);

test("workers may be ended while they load, decode and run", async () => {
  const { code, signal, lines } = await inChild("workers that are ended");
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  expect(lines.at(-1)).toBe("ended");
});

test("a worker's log sink goes with it, and no other does", async () => {
  const { code, signal, lines } = await inChild("log of a worker");
  expect({ code, signal, lines }).toEqual({ code: 0, signal: null, lines: ["heard", "loaded"] });
});

describe("a prompt of 64000 characters", () => {
  test.each([
    ["words", "Hello Anna. "],
    ["one letter", "a"],
    ["spaces", " "],
    ["signs", "!"],
    ["emojis", "\u{1F600}"],
  ])("of %s is cut, not refused, and does not end the process", async (_, unit) => {
    expect(await inChild("prompt", unit)).toMatchObject({ code: 0, signal: null, lines: ["done"] });
  });
});
