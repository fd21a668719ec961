/** `bun scripts/docs.mjs` writes what README.md takes from the code: the table of settings. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable } from "../src/config.ts";

const readme = join(import.meta.dirname, "..", "README.md");
const section = /(<!-- settings: .* -->\n)[\s\S]*(<!-- \/settings -->)/;

/** @param {string} text of README.md @returns {string} the same with the table that src/config.ts makes */
export function withSettings(text) {
  if (!section.test(text)) throw new Error("Expected the marks of the section on settings in README.md");
  return text.replace(section, (_, start, end) => `${start}\n${markdownTable()}\n\n${end}`);
}

if (import.meta.main) writeFileSync(readme, withSettings(readFileSync(readme, "utf8")));
