import { expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { bunScript, Checkout } from "./checkout.ts";

/** A checkout whose checks pass, and whose `bun test` is real. */
function testable(file: string): Checkout {
  const checkout = new Checkout();
  checkout.program("bun", `[ "$1" = test ] && exec "${process.execPath}" "$@"\n${bunScript()}`);
  checkout.write("node_modules/.bin/biome", "#!/bin/sh\n");
  chmodSync(join(checkout.root, "node_modules", ".bin", "biome"), 0o755);
  checkout.write(
    "node_modules/clang-format-node/index.js",
    `exports.clangFormatPath = "${Bun.which("true")}";`,
  );
  checkout.write("some.test.ts", `import { expect, test } from "bun:test";\n${file}`);
  return checkout;
}

const lastLine = (text: string) => text.trimEnd().split("\n").at(-1);

test("the last line sums up bun's tests", async () => {
  using checkout = testable("test('a', () => {}); test('b', () => {}); test.skip('c', () => {});");
  const { code, stderr } = await checkout.run("test.mjs");
  expect(lastLine(stderr)).toBe("2 passed, 0 failed, 1 skipped");
  expect(stderr).toMatch(/ok {4} biome \(\d+\.\d s\)/);
  expect(code).toBe(0);
});

test("a failing test fails the command", async () => {
  using checkout = testable("test('a', () => expect(1).toBe(2)); test('b', () => {});");
  const { code, stderr } = await checkout.run("test.mjs");
  expect(lastLine(stderr)).toBe("1 passed, 1 failed, 0 skipped");
  expect(code).toBe(1);
});

test("a test file that cannot be loaded fails the command", async () => {
  using checkout = testable("throw new Error('broken');");
  const { code, stderr } = await checkout.run("test.mjs");
  expect(lastLine(stderr)).toMatch(/^0 passed, [1-9]\d* failed, 0 skipped$/);
  expect(code).toBe(1);
});

test("on CI a skipped test fails the command", async () => {
  using checkout = testable("test('a', () => {}); test.skip('b', () => {});");
  const { code, stderr } = await checkout.run("test.mjs", [], { CI: "true" });
  expect(stderr).toContain("A skipped test counts as a failure on CI.");
  expect(lastLine(stderr)).toBe("1 passed, 0 failed, 1 skipped");
  expect(code).toBe(1);
});

test("arguments choose tests", async () => {
  using checkout = testable("test('chosen', () => {}); test('other', () => {});");
  const { stderr } = await checkout.run("test.mjs", ["--test-name-pattern", "chosen"]);
  expect(lastLine(stderr)).toStartWith("1 passed, 0 failed");
});

test("the first failing check ends the command with its output", async () => {
  using checkout = testable("test('a', () => {});");
  checkout.write("node_modules/.bin/biome", "#!/bin/sh\necho some.ts is not formatted\nexit 1\n");
  const { code, stderr } = await checkout.run("test.mjs");
  expect(stderr).toContain("some.ts is not formatted");
  expect(stderr).toMatch(/FAILED biome/);
  expect(stderr).not.toContain("bun test");
  expect(lastLine(stderr)).toBe("0 passed, 1 failed, 0 skipped");
  expect(code).toBe(1);
});
