/** Checks that native/ is formatted as .clang-format says; `--write` formats it. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** @type {{ clangFormatPath: string }} */
const { clangFormatPath } = createRequire(import.meta.url)("clang-format-node");
const files = readdirSync(join(root, "native"))
  .filter((name) => /\.(h|cc|mm)$/.test(name))
  .map((name) => join("native", name));
const mode = process.argv.includes("--write") ? ["-i"] : ["--dry-run", "--Werror"];
const { status, error } = spawnSync(clangFormatPath, ["--style=file", ...mode, ...files], {
  cwd: root,
  stdio: "inherit",
});
if (error) console.error(error.message);
process.exitCode = status ?? 1;
