/** Reads the settings. The only file that reads the environment. */
import leven from "leven";
import { type Config, rows, settings } from "./settings.ts";
import { anonymous } from "./show.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The environment with `given` in place of what it has. For `loadConfig`. */
export const environmentWith = (given: Env): Env => ({ ...Bun.env, ...given });

/** Settings that cannot be used: the message has one line for each, with what was expected. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(readonly problems: readonly string[]) {
    super(["Invalid settings:", ...problems.map((problem) => `  ${problem}`)].join("\n"));
  }
}

/**
 * Reads the settings. An empty value means the default. Names that look like a misspelt setting become warnings.
 * Throws one ConfigError for all values that are wrong.
 */
export function loadConfig(env: Env = Bun.env): { config: Config; warnings: string[] } {
  const dataDir = env.DATA_DIR?.trim() || settings.dataDir.default;
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [key, row] of rows) {
    const value = env[row.env]?.trim() || row.default.replace("$DATA_DIR", () => dataDir);
    config[key] = row.parse(value);
    if (config[key] !== undefined) continue;
    const received = row.secret
      ? "something else (not shown)"
      : JSON.stringify(anonymous(value).slice(0, 100));
    problems.push(`Expected ${row.expected} for ${row.env} but received ${received}`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config: config as Config, warnings: misspelt(env) };
}

/** One letter in four may be wrong: MAX_FILESIZE is ours, CPU is not GPU. */
function misspelt(env: Env): string[] {
  const names = rows.map(([, row]) => row.env);
  return Object.keys(env).flatMap((name) => {
    if (env[name] === undefined || names.includes(name)) return [];
    const upper = name.toUpperCase();
    const [nearest] = names
      .map((known) => ({
        known,
        distance: leven(upper, known),
        allowed: Math.min(3, Math.floor(known.length / 4)),
      }))
      .filter(({ distance, allowed }) => distance <= allowed)
      .sort((a, b) => a.distance - b.distance);
    return nearest ? [`${name} is not a setting. Did you mean ${nearest.known}?`] : [];
  });
}
