/** How people write values, in settings and on the command line, and read them in messages. */

/** `parse` gives undefined for anything that is not `expected`. */
export interface Notation<T> {
  readonly expected: string;
  parse(text: string): T | undefined;
}

const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of 250ms, 30s, 1.5m or 4h; without a unit it is seconds. undefined: it is no time. */
export function parseTime(text: string): number | undefined {
  const [, number, unit = "s"] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h)?$/i.exec(text) ?? [];
  if (number === undefined) return undefined;
  return Math.round(Number(number) * unitsMs[unit.toLowerCase() as keyof typeof unitsMs]);
}

/** Rounded up; less than nothing is none. */
export const mebibytes = (bytes: number): string => `${Math.ceil(Math.max(bytes, 0) / 2 ** 20)} MiB`;
