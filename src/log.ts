/** The log: JSON lines, or short readable ones in a terminal. Keys and transcripts never enter it. */

export type LogFields = Readonly<Record<string, unknown>>;
type Level = "debug" | "info" | "warn" | "error";

/** One function per level. They never throw, whatever the fields are. */
export type Logger = Readonly<Record<Level, (message: string, fields?: LogFields) => void>>;

export interface LogOptions {
  /** auto: text when stderr is a terminal. */
  readonly format: "auto" | "json" | "text";
  /** false: debug lines are dropped. */
  readonly debug: boolean;
  /** Takes one line with its line end. Default: stderr. */
  readonly write?: (line: string) => void;
}

/** Counts and switches are no secrets, whatever their name. */
const isSecret = (name: string, value: unknown) =>
  /authorization|secret|key|password|cookie|^(text|transcript|prompt)$/i.test(name) &&
  (typeof value === "string" || (typeof value === "object" && value !== null));

const limits = { characters: 4000, items: 50, depth: 5 };

/** true at the first call, and then at the first one in each such time: for what goes wrong again and again. */
export function seldom(everyMs = 60_000): () => boolean {
  let lastMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = performance.now();
    if (nowMs - lastMs < everyMs) return false;
    lastMs = nowMs;
    return true;
  };
}

/** Errors as fields become name, message, code, cause and, at level error, stack. Named secrets become "[redacted]". */
export function createLogger(options: LogOptions): Logger {
  const { format, debug, write = (line) => void process.stderr.write(line) } = options;
  const asText = format === "text" || (format === "auto" && process.stderr.isTTY === true);
  const toLine = asText ? textLine : jsonLine;
  const log = (level: Level, message: string, fields: LogFields = {}) =>
    write(`${toLine(level, message.slice(0, limits.characters), loggable(fields, level))}\n`);
  return {
    debug: (message, fields) => (debug ? log("debug", message, fields) : undefined),
    info: (message, fields) => log("info", message, fields),
    warn: (message, fields) => log("warn", message, fields),
    error: (message, fields) => log("error", message, fields),
  };
}

function jsonLine(level: Level, message: string, fields: LogFields): string {
  const head = { time: new Date().toISOString(), level, message };
  // Again at the end: no field may pretend to be one of them.
  return JSON.stringify({ ...head, ...fields, ...head });
}

const colours: Record<Level, string> = { debug: "2", info: "32", warn: "33", error: "31" };
const controls = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

function textLine(level: Level, message: string, fields: LogFields): string {
  const stacks: string[] = [];
  const shown = (value: unknown): string => {
    const json = JSON.stringify(value, (name, inner: unknown) => {
      if (name !== "stack" || typeof inner !== "string") return inner;
      stacks.push(...inner.split("\n").map((line) => `\n    ${line.trim().replace(controls, " ")}`));
      return undefined;
    });
    return typeof value === "string" && /^[\w.:/@+-]+$/.test(value) ? value : json;
  };
  // Bun has looked at NO_COLOR, FORCE_COLOR and the terminal.
  const [on, off] = Bun.enableANSIColors ? [`\x1b[${colours[level]}m`, "\x1b[0m"] : ["", ""];
  const known = Object.entries(fields).filter(([, value]) => value !== undefined); // as in JSON
  const pairs = known.map(([key, value]) => ` ${key}=${shown(value)}`);
  const line = `${message}${pairs.join("")}`.replace(controls, " ");
  return `${new Date().toTimeString().slice(0, 8)} ${on}${level.toUpperCase().padEnd(5)}${off} ${line}${stacks.join("")}`;
}

/** The fields as bounded plain values without secrets. */
function loggable(fields: LogFields, level: Level): LogFields {
  const seen = new WeakSet<object>();

  const plain = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return value.slice(0, limits.characters);
    if (typeof value !== "object" || value === null) return typeof value === "bigint" ? `${value}` : value;
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (seen.has(value) || depth > limits.depth) return "[omitted]";
    seen.add(value);
    if (Array.isArray(value)) return value.slice(0, limits.items).map((item) => plain(item, depth + 1));
    return entries(value instanceof Error ? errorFields(value) : value, depth + 1);
  };

  const entries = (value: object, depth: number): LogFields =>
    Object.fromEntries(
      Object.entries(value)
        .slice(0, limits.items)
        .map(([name, inner]) => [name, isSecret(name, inner) ? "[redacted]" : plain(inner, depth)]),
    );

  const errorFields = ({ name, message, code, stack, cause }: Error & { code?: unknown }): LogFields => ({
    ...{ name, message },
    ...(code === undefined ? {} : { code }),
    ...(level === "error" ? { stack } : {}),
    ...(cause === undefined ? {} : { cause }),
  });

  try {
    return entries(fields, 0);
  } catch {
    return { fields: "[unreadable]" };
  }
}
