import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { native } from "../../src/native.ts";
import { decodeFixture, openModel, transcribe } from "./harness.ts";

setDefaultTimeout(60_000);
afterEach(() => native.setLog(null));

interface Line {
  readonly level: string;
  readonly line: string;
}

/** Lines that come until the next turn of the event loop after `work`, when those of the work have arrived. */
async function linesOf(work: () => Promise<unknown>): Promise<Line[]> {
  const lines: Line[] = [];
  native.setLog((level, line) => lines.push({ level, line }));
  await work();
  while (lines.length === 0) await Bun.sleep(1);
  return lines;
}

test("the log gets whole lines with a level, and no empty ones", async () => {
  const lines = await linesOf(async () => {
    const model = await openModel();
    await transcribe(model, await decodeFixture("en-digits.wav"));
    await model.close();
  });
  expect(lines.length).toBeGreaterThan(10);
  for (const { level, line } of lines) {
    expect(["debug", "info", "warn", "error"]).toContain(level);
    expect(line).not.toContain("\n");
    expect(line.trim()).not.toBe("");
  }
  expect(lines.some(({ line }) => line.includes("n_vocab"))).toBe(true);
});

test("the log says nothing of what was spoken", async () => {
  const lines = await linesOf(async () => {
    const model = await openModel();
    await transcribe(model, await decodeFixture("en-digits.wav"), { prompt: "Peter" });
    await model.close();
  });
  for (const { line } of lines) expect(line).not.toMatch(/three four|Peter/);
});

test("null silences it, also on stderr", async () => {
  const lines = await linesOf(openModel);
  native.setLog(null);
  const before = lines.length;
  await openModel();
  await new Promise((resolve) => setImmediate(resolve));
  expect(lines.length).toBe(before);
});

test("a new sink takes the place of the one before", async () => {
  const first = await linesOf(openModel);
  const before = first.length;
  const second = await linesOf(openModel);
  expect(second.length).toBeGreaterThan(0);
  expect(first.length).toBe(before);
});
