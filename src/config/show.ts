/** What people see of the settings: in the log, on the command line, in the docs. */
import type { Setting } from "./notations.ts";
import { type Config, rows, topics } from "./settings.ts";

/** The settings that may stand on a command line as well: all but secrets, which others would see there. */
export const publicSettings: readonly Pick<Setting<unknown>, "env" | "help" | "default">[] = rows
  .map(([, row]) => row)
  .filter(({ secret }) => !secret);

/** A URL without user and password; anything else as it is. */
export const anonymous = (value: string) => value.replace(/^([a-z]+:\/\/).*@/i, "$1");

/** The settings for the log, by environment name: of secrets only how many there are, of URLs no credentials. */
export function loggableConfig(config: Config): Record<string, unknown> {
  const shown = (value: unknown, row: Setting<unknown>): unknown => {
    if (row.secret) return Array.isArray(value) ? value.length : null;
    return typeof value === "string" ? anonymous(value) : value;
  };
  return Object.fromEntries(rows.map(([key, row]) => [row.env, shown(config[key as keyof Config], row)]));
}

/** The settings for `--help`. */
export function helpText(): string {
  const width = Math.max(...rows.map(([, row]) => row.env.length));
  return rows
    .map(([, row]) => `  ${row.env.padEnd(width)}  ${row.help} (${row.default || "none"})`)
    .join("\n");
}

/** The settings for docs/configuration.md: a chapter for each topic. */
export function markdownTables(): string {
  const table = (rows: readonly Setting<unknown>[]) => [
    "| Variable | Default | What it does |",
    "|---|---|---|",
    ...rows.map((row) => `| \`${row.env}\` | ${row.default ? `\`${row.default}\`` : "none"} | ${row.help} |`),
  ];
  return Object.entries(topics)
    .map(([topic, settings]) => [`## ${topic}`, "", ...table(Object.values(settings))].join("\n"))
    .join("\n\n");
}
