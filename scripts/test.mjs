/**
 * `npm test`: sets up what is missing, then every check, cheapest first. Arguments go to `bun test`. The last line is the
 * sum of its tests. On CI (CI=true) a skipped test counts as a failure: what it needs must be there.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./setup/command.mjs";
import { main } from "./setup/setup.mjs";

await main(async (bun, { root, env }, rest) => {
  const folder = mkdtempSync(join(tmpdir(), "whisper-api-test-"));
  const report = join(folder, "junit.xml");
  // Two files at a time: many tests wait. On CI one: what fails there must not be the other's doing.
  const parallel = env.CI === "true" ? [] : ["--parallel=2"];
  /** @type {[name: string, command: string, args: string[]][]} */
  const steps = [
    ["biome", join(root, "node_modules/.bin/biome"), ["check"]],
    ["clang-format", process.execPath, ["scripts/clang-format.mjs"]],
    ["tsc", bun, ["--bun", "node_modules/typescript/bin/tsc", "--noEmit"]],
    ["tsc of the page", bun, ["--bun", "node_modules/typescript/bin/tsc", "-p", "src/modules/ui/page"]],
    ["bun test", bun, ["test", ...parallel, "--reporter=junit", `--reporter-outfile=${report}`, ...rest]],
  ];
  let code = 0;
  try {
    for (const [name, command, args] of steps) {
      const startMs = performance.now();
      code = await run(command, args, { cwd: root, env });
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
      console.error(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
      if (code !== 0) break;
    }
    const { passed, failed, skipped } = count(report);
    // A failed check, or a file that could not be loaded, is in no count of bun's.
    const sum = `${passed} passed, ${code === 0 ? failed : Math.max(failed, 1)} failed, ${skipped} skipped`;
    if (env.CI === "true" && skipped > 0) {
      console.error("A skipped test counts as a failure on CI.");
      code ||= 1;
    }
    console.error(sum);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return code === 0 ? 0 : 1;
});

/** @param {string} report path of a JUnit file */
function count(report) {
  const head = existsSync(report) ? (/<testsuites[^>]*>/.exec(readFileSync(report, "utf8"))?.[0] ?? "") : "";
  const number = (/** @type {string} */ name) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  const skipped = number("skipped");
  return { passed: number("tests") - failed - skipped, failed, skipped };
}
