/** Checks that our C++ is formatted as .clang-format says; `--write` formats it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativeSources } from "./setup/sources.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** @type {{ clangFormatPath: string }} */
const { clangFormatPath } = createRequire(import.meta.url)("clang-format-node");
const files = ["native", "test/native/programs"]
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => nativeSources(root, folder))
  .filter((path) => /\.(h|cc|mm)$/.test(path));
const mode = process.argv.includes("--write") ? ["-i"] : ["--dry-run", "--Werror"];
const { status, error } = spawnSync(clangFormatPath, ["--style=file", ...mode, ...files], {
  cwd: root,
  stdio: "inherit",
});
if (error) console.error(error.message);
process.exitCode = status ?? 1;
