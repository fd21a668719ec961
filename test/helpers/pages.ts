/** The documents for users, and the code blocks in them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");
const inDocs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));

/** Paths from the checkout's root. */
export const pages: readonly string[] = [
  "README.md",
  "ARCHITECTURE.md",
  "models/README.md",
  ...inDocs.map((name) => `docs/${name}`).sort(),
];

export const readPage = (path: string) => readFileSync(join(root, path), "utf8");

export interface Block {
  readonly page: string;
  /** Of its first line. */
  readonly line: number;
  readonly language: string;
  /** `run`: it is run; `browser`: in a browser; `output`: what the block before it prints. */
  readonly mark: string;
  readonly text: string;
}

/** The fenced blocks of a page, in order. */
export function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/^```(\w*) ?(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    page,
    line: text.slice(0, match.index).split("\n").length + 1,
    language: match[1] ?? "",
    mark: match[2] ?? "",
    text: match[3] ?? "",
  }));
}
