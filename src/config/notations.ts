/** A row of the settings' table, and the notations of its values. */
import { longestDelayMs } from "../core/clock.ts";
import { type Notation, parseTime } from "../core/notation.ts";

export interface Setting<T> extends Notation<T> {
  readonly env: string;
  /** As one would write it in the environment; `$DATA_DIR` stands for that setting. */
  readonly default: string;
  readonly help: string;
  /** Its value is never shown or logged. */
  readonly secret?: true;
}

/** A row. `initial` is its default. */
export function setting<T>(
  env: string,
  notation: Notation<T>,
  initial: string,
  help: string,
  secret?: true,
): Setting<T> {
  return { ...notation, env, default: initial, help, ...(secret ? { secret } : {}) };
}

export const text: Notation<string> = { expected: "text", parse: (value) => value };

/** Both ends included. */
export const integer = (min: number, max: number): Notation<number> => ({
  expected: `an integer from ${min} to ${max}`,
  parse(value) {
    const number = Number(value);
    return /^\d+$/.test(value) && number >= min && number <= max ? number : undefined;
  },
});

/** In any case of letters. */
export const oneOf = <const T extends string>(...choices: T[]): Notation<T> => ({
  expected: `one of ${choices.join(", ")}`,
  parse: (value) => choices.find((choice) => choice === value.toLowerCase()),
});

export const flag: Notation<boolean> = {
  expected: "true or false",
  parse(value) {
    if (/^(true|1|yes|on)$/i.test(value)) return true;
    return /^(false|0|no|off)$/i.test(value) ? false : undefined;
  },
};

const byteUnits = { k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 };

export const byteSize = (min: 0 | 1): Notation<number> => ({
  expected: `a number of bytes from ${min}, with a unit or without: 52428800, 200k, 50MB, 1GiB`,
  parse(value) {
    const [, number, unit] = /^(\d+(?:\.\d+)?) ?([kmg]i?)?b?$/i.exec(value) ?? [];
    const factor = unit === undefined ? 1 : byteUnits[unit.toLowerCase() as keyof typeof byteUnits];
    const bytes = Math.round(Number(number) * factor);
    return Number.isSafeInteger(bytes) && bytes >= min ? bytes : undefined;
  },
});

/** In milliseconds: all may become a timer's. */
export const duration = (minMs: number): Notation<number> => ({
  expected: `a time in seconds or with a unit (250ms, 30s, 90m, 4h), at least ${minMs}ms and at most 596h`,
  parse(value) {
    const ms = parseTime(value);
    return ms !== undefined && ms >= minMs && ms <= longestDelayMs ? ms : undefined;
  },
});

/** Without the slash at its end. */
export const baseUrl: Notation<string> = {
  expected: "an http or https URL",
  parse: (value) =>
    /^https?:\/\//i.test(value) && URL.canParse(value) ? value.replace(/\/+$/, "") : undefined,
};

/** Empty: none. */
export const optional = (notation: Notation<string>): Notation<string> => ({
  ...notation,
  parse: (value) => (value === "" ? value : notation.parse(value)),
});

/** Separated by commas; empty places do not count. */
export const list = (
  expected: string,
  parseItem: (item: string) => string | undefined,
): Notation<readonly string[]> => ({
  expected,
  parse(value) {
    if (value === "") return [];
    const written = value.split(",").map((item) => item.trim());
    const items = written.filter((item) => item !== "").map(parseItem);
    // A list of nothing but commas is a mistake: it must not open the server.
    return items.length > 0 && items.every((item) => item !== undefined) ? items : undefined;
  },
});
