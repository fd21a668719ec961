/** `bun scripts/docs.mjs` writes what docs/configuration.md takes from the code: the tables of settings. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTables } from "../src/config/show.ts";

const page = join(import.meta.dirname, "..", "docs", "configuration.md");
const section = /(<!-- settings: .* -->\n)[\s\S]*(<!-- \/settings -->)/;

/** @param {string} text of the page @returns {string} the same with the tables that src/config/ makes */
export function withSettings(text) {
  if (!section.test(text)) throw new Error("Expected the marks of the settings in docs/configuration.md");
  return text.replace(section, (_, start, end) => `${start}\n${markdownTables()}\n\n${end}`);
}

if (import.meta.main) writeFileSync(page, withSettings(readFileSync(page, "utf8")));
