import { expect, test } from "bun:test";
import { progressBar } from "../../src/models/progress.ts";

function captured(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { written, output: { isTTY, columns, write: (text: string) => written.push(text) } };
}

const at = (percent: number) => ({
  doneBytes: percent * 2 ** 20,
  totalBytes: 100 * 2 ** 20,
  bytesPerSecond: 5 * 2 ** 20,
});

test("outside a terminal there is a line every ten percent", () => {
  const { written, output } = captured(false);
  const onProgress = progressBar("base", output);
  for (let percent = 0; percent <= 100; percent++) onProgress(at(percent));
  expect(written).toHaveLength(10);
  expect(written[3]).toBe("base  40 %  40.0 of 100.0 MiB  5.0 MiB/s  12 s left\n");
  expect(written.at(-1)).toBe("base  100 %  100.0 of 100.0 MiB  5.0 MiB/s\n");
});

test("in a terminal one line changes, is not longer than it is wide, and ends at the end", () => {
  const { written, output } = captured(true, 20);
  const onProgress = progressBar("base", output);
  for (let percent = 0; percent <= 100; percent++) onProgress(at(percent));
  expect(
    written.every((text) => text.startsWith("\r") && text.endsWith("\x1b[K") !== text.endsWith("\n")),
  ).toBe(true);
  expect(written[0]).toBe(`\r${"base  0 %  0.0 of 100.0 MiB".slice(0, 19)}\x1b[K`);
  expect(written.filter((text) => text.endsWith("\n"))).toHaveLength(1);
});

test("a terminal that does not know its width is taken for 80 columns", () => {
  const { written, output } = captured(true, 0);
  progressBar("base", output)(at(40));
  expect(written[0]).toEndWith("12 s left\x1b[K");
});

test("a resumed download that has not got a byte yet shows no remaining time", () => {
  const { written, output } = captured(true);
  progressBar("base", output)({ doneBytes: 1, totalBytes: 2, bytesPerSecond: 0 });
  expect(written[0]).not.toContain("left");
  expect(written[0]).not.toContain("Infinity");
});
