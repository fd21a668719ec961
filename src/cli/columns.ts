/** Two columns for people, in a terminal of any width. */

/** `text` behind `first`; lines that a terminal of so many columns would break are broken at words and stay behind it. */
export function hanging(first: string, text: string, columns: number | undefined): string {
  const indent = Bun.stringWidth(first);
  const width = (columns || Number.POSITIVE_INFINITY) - indent;
  if (width < 20 || width >= Bun.stringWidth(text)) return first + text;
  return first + Bun.wrapAnsi(text, width).replaceAll("\n", `\n${" ".repeat(indent)}`);
}
