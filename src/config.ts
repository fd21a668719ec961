/**
 * The settings: one table, from which come the parser, the help, the line in the start-up log and docs/configuration.md.
 * The only file that reads the environment.
 */
import leven from "leven";
import { isRange } from "./core/addresses.ts";
import { audioLimits, requestLimits } from "./core/limits.ts";

/** How a setting is written: `parse` gives undefined for anything that is not `expected`. */
interface Kind<T> {
  readonly expected: string;
  parse(text: string): T | undefined;
}

interface Setting<T> extends Kind<T> {
  readonly env: string;
  /** As one would write it in the environment; `$DATA_DIR` stands for that setting. */
  readonly default: string;
  readonly help: string;
  /** Its value is never shown or logged. */
  readonly secret?: true;
}

/** setTimeout's limit: a longer delay fires at once. */
const longestMs = 2 ** 31 - 1;

const text: Kind<string> = { expected: "text", parse: (value) => value };

const integer = (min: number, max: number): Kind<number> => ({
  expected: `an integer from ${min} to ${max}`,
  parse(value) {
    const number = Number(value);
    return /^\d+$/.test(value) && number >= min && number <= max ? number : undefined;
  },
});

const oneOf = <const T extends string>(...choices: T[]): Kind<T> => ({
  expected: `one of ${choices.join(", ")}`,
  parse: (value) => choices.find((choice) => choice === value.toLowerCase()),
});

const flag: Kind<boolean> = {
  expected: "true or false",
  parse(value) {
    if (/^(true|1|yes|on)$/i.test(value)) return true;
    return /^(false|0|no|off)$/i.test(value) ? false : undefined;
  },
};

const byteUnits = { k: 1e3, m: 1e6, g: 1e9, ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30 };

const byteSize = (min: 0 | 1): Kind<number> => ({
  expected: `a number of bytes from ${min}, with a unit or without: 52428800, 200k, 50MB, 1GiB`,
  parse(value) {
    const [, number, unit] = /^(\d+(?:\.\d+)?) ?([kmg]i?)?b?$/i.exec(value) ?? [];
    const factor = unit === undefined ? 1 : byteUnits[unit.toLowerCase() as keyof typeof byteUnits];
    const bytes = Math.round(Number(number) * factor);
    return Number.isSafeInteger(bytes) && bytes >= min ? bytes : undefined;
  },
});

const timeUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const duration = (minMs: number): Kind<number> => ({
  expected: `a time in seconds or with a unit (250ms, 30s, 90m, 4h), at least ${minMs}ms and at most 596h`,
  parse(value) {
    const [, number, unit = "s"] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h)?$/i.exec(value) ?? [];
    const ms = Math.round(Number(number) * timeUnits[unit.toLowerCase() as keyof typeof timeUnits]);
    return ms >= minMs && ms <= longestMs ? ms : undefined;
  },
});

const baseUrl: Kind<string> = {
  expected: "an http or https URL",
  parse: (value) =>
    /^https?:\/\//i.test(value) && URL.canParse(value) ? value.replace(/\/+$/, "") : undefined,
};

const optionalBaseUrl: Kind<string> = {
  ...baseUrl,
  parse: (value) => (value === "" ? "" : baseUrl.parse(value)),
};

const redisUrl: Kind<string> = {
  expected: "a redis or rediss URL",
  parse: (value) => (/^rediss?:\/\//i.test(value) && URL.canParse(value) ? value : undefined),
};

/** Empty: none. */
const optional = (kind: Kind<string>): Kind<string> => ({
  ...kind,
  parse: (value) => (value === "" ? value : kind.parse(value)),
});
const bucketUrl: Kind<string> = {
  expected: "a bucket, with a path where wanted: s3://bucket/path",
  parse: (value) =>
    /^(s3:\/\/[a-z0-9][a-z0-9.-]+[a-z0-9](\/(?!\.+(\/|$))[\w.-]+)*\/?)?$/.test(value) ? value : undefined,
};

const list = (
  expected: string,
  parseItem: (item: string) => string | undefined,
): Kind<readonly string[]> => ({
  expected,
  parse(value) {
    if (value === "") return [];
    const written = value.split(",").map((item) => item.trim());
    const items = written.filter((item) => item !== "").map(parseItem);
    // A list of nothing but commas is a mistake: it must not open the server.
    return items.length > 0 && items.every((item) => item !== undefined) ? items : undefined;
  },
});

// What can stand in an Authorization header after "Bearer ".
const keys = list("keys separated by commas, each of printable ASCII without spaces", (item) =>
  /^[!-~]+$/.test(item) ? item : undefined,
);

// Browsers send origins in lower case and without a path; "https://app.example/" would never match.
const origins = list(
  "* or origins separated by commas: https://app.example, http://localhost:3000",
  (item) => {
    const origin = item.replace(/\/$/, "").toLowerCase();
    return origin === "*" || /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*]+$/.test(origin) ? origin : undefined;
  },
);

const ranges = list(
  "loopback, private, addresses and ranges, separated by commas: 10.0.0.0/8, 2001:db8::1",
  (item) => (isRange(item) ? item : undefined),
);

const gpu: Kind<"auto" | "off" | number> = {
  expected: "auto, off, or the index of a GPU from 0 to 63",
  parse: (value) => oneOf("auto", "off").parse(value) ?? integer(0, 63).parse(value),
};

const portOrOff: Kind<"off" | number> = {
  expected: "off or a port from 0 to 65535",
  parse: (value) => oneOf("off").parse(value) ?? integer(0, 65_535).parse(value),
};

function setting<T>(env: string, kind: Kind<T>, initial: string, help: string, secret?: true): Setting<T> {
  return { ...kind, env, default: initial, help, ...(secret ? { secret } : {}) };
}

const hub = "https://huggingface.co";

const address = {
  host: setting("HOST", text, "0.0.0.0", "Address to listen on."),
  port: setting("PORT", integer(0, 65_535), "8000", "Port to listen on; 0 = any free one."),
  shutdownTimeoutMs: setting("SHUTDOWN_TIMEOUT", duration(0), "30s", "Time that running work has to end."),
};

const models = {
  whisperModel: setting(
    "WHISPER_MODEL",
    text,
    "base",
    "Model that answers where none is named: a name or a path.",
  ),
  modelsDir: setting("MODELS_DIR", text, "models", "Folder of the weights."),
  modelsUrl: setting(
    "MODELS_URL",
    baseUrl,
    `${hub}/ggerganov/whisper.cpp/resolve/main`,
    "Where missing weights come from.",
  ),
  modelTtlMs: setting(
    "MODEL_TTL",
    duration(0),
    "5m",
    "An idle model is unloaded after it, but not that of WHISPER_MODEL; 0 = never.",
  ),
  modelMemory: setting(
    "MODEL_MEMORY",
    byteSize(0),
    "0",
    "What loaded models may take together: bytes, or 800MB, 6GiB; 0 = no limit.",
  ),
  vadModel: setting("VAD_MODEL", text, "silero-v6.2.0", "Voice activity detection: a name, a path, or off."),
  vadUrl: setting(
    "VAD_URL",
    baseUrl,
    `${hub}/ggml-org/whisper-vad/resolve/main`,
    "Where its weights come from.",
  ),
};

const computing = {
  gpu: setting("GPU", gpu, "auto", "auto, off, or the index of a GPU."),
  threads: setting("THREADS", integer(0, 1024), "0", "Threads that compute; 0 = the cores."),
  slots: setting(
    "SLOTS",
    integer(0, 1024),
    "0",
    "Windows (30 s each) decoded together; 0 = 8, on a GPU 32, less if memory is short.",
  ),
  maxRuns: setting("MAX_RUNS", integer(0, 1024), "0", "Runs admitted at the same time; 0 = twice the slots."),
  maxQueue: setting("MAX_QUEUE", integer(0, 100_000), "64", "Requests that may wait; the next ones get 503."),
};

const callers = {
  apiKeys: setting("API_KEY", keys, "", "Keys that callers may use, separated by commas; none = open.", true),
  rateLimits: setting(
    "RATE_LIMITS",
    requestLimits,
    "off",
    "Requests of each caller: 10/minute,50/hour (second, minute, hour, day).",
  ),
  rateLimitsAudio: setting("RATE_LIMITS_AUDIO", audioLimits, "off", "Audio of each caller: 60m/hour,5h/day."),
  trustedProxies: setting(
    "TRUSTED_PROXIES",
    ranges,
    "",
    "Whose X-Forwarded-For is believed: loopback, private, 10.0.0.0/8; none = nobody's.",
  ),
  allowedOrigins: setting("ALLOWED_ORIGINS", origins, "*", "Origins of web pages that may call (CORS)."),
};

const recordings = {
  dataDir: setting("DATA_DIR", text, "data", "Folder of what the server writes."),
  uploadDir: setting("UPLOAD_DIR", text, "$DATA_DIR/uploads", "Folder of uploads while they are used."),
  maxFileSize: setting(
    "MAX_FILE_SIZE",
    byteSize(1),
    "52428800",
    "Largest upload: bytes, or 200k, 50MB, 1GiB.",
  ),
  maxDurationMs: setting("MAX_DURATION", duration(100), "4h", "Longest recording: seconds, or 90m, 4h."),
  uploadTimeoutMs: setting("UPLOAD_TIMEOUT", duration(1), "30s", "Longest pause within an upload."),
};

const live = {
  maxSessions: setting(
    "MAX_SESSIONS",
    integer(0, 100_000),
    "64",
    "Realtime sessions at the same time; 0 = none.",
  ),
  maxSessionsPerCaller: setting(
    "MAX_SESSIONS_PER_CALLER",
    integer(1, 100_000),
    "16",
    "Those of one key, or without keys of one address.",
  ),
  sessionLifetimeMs: setting("SESSION_LIFETIME", duration(1000), "60m", "Longest realtime session."),
};

const taskSettings = {
  taskTtlMs: setting(
    "TASK_TTL",
    duration(1000),
    "24h",
    "Time that a task is kept after it has ended; longer while a webhook is not delivered yet.",
  ),
  maxTasksPerCaller: setting(
    "MAX_TASKS_PER_CALLER",
    integer(0, 1_000_000),
    "1000",
    "Tasks of one caller that wait or run; 0 = no tasks.",
  ),
  maxTaskBytes: setting(
    "MAX_TASK_BYTES",
    byteSize(1),
    "10GB",
    "Recordings of all tasks that wait or run, together: bytes, or 500MB, 10GB.",
  ),
  maxRunningTasks: setting(
    "MAX_RUNNING_TASKS",
    integer(0, 1024),
    "0",
    "Tasks that this process transcribes at the same time; 0 = the slots.",
  ),
  worker: setting("WORKER", flag, "true", "Whether `serve` transcribes tasks, too."),
  workerPort: setting(
    "WORKER_PORT",
    portOrOff,
    "off",
    "Port on which `worker` answers /health, /ready and /metrics; 0 = any free one.",
  ),
  publicUrl: setting(
    "PUBLIC_URL",
    optionalBaseUrl,
    "",
    "Where clients reach this server, for links in webhooks; none = links without a host.",
  ),
  webhookAllowPrivate: setting(
    "WEBHOOK_ALLOW_PRIVATE",
    flag,
    "false",
    "For development: webhooks and `url` may go to private addresses.",
  ),
};

const results = {
  cacheTtlMs: setting("CACHE_TTL", duration(1000), "24h", "How long a result is kept for the same request."),
  cacheMaxBytes: setting(
    "CACHE_MAX_BYTES",
    byteSize(0),
    "256MiB",
    "Size of all kept results, the least recently used go first; 0 = none.",
  ),
};

const sharing = {
  redisUrl: setting(
    "REDIS_URL",
    optional(redisUrl),
    "",
    "Redis that several servers share: redis://user:password@host:6379/0; none = files in DATA_DIR.",
  ),
  redisPrefix: setting("REDIS_PREFIX", text, "whisper", "Before every key in Redis."),
  blobUrl: setting(
    "BLOB_URL",
    bucketUrl,
    "",
    "Bucket in which recordings of tasks wait: s3://bucket/path; none = files in DATA_DIR.",
  ),
  s3Endpoint: setting("S3_ENDPOINT", optionalBaseUrl, "", "Where the bucket is; none = Amazon's S3."),
  s3Region: setting("S3_REGION", text, "us-east-1", "Its region."),
  awsAccessKeyId: setting("AWS_ACCESS_KEY_ID", text, "", "Id of the key for the bucket.", true),
  awsSecretAccessKey: setting("AWS_SECRET_ACCESS_KEY", text, "", "The key itself.", true),
  awsSessionToken: setting("AWS_SESSION_TOKEN", text, "", "Its token, where it is a temporary one.", true),
};

const observing = {
  logFormat: setting(
    "LOG_FORMAT",
    oneOf("auto", "json", "text"),
    "auto",
    "auto = text in a terminal, else json.",
  ),
  debug: setting("DEBUG", flag, "false", "Log more."),
  otlpEndpoint: setting(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    optional(baseUrl),
    "",
    "Where OpenTelemetry's spans go, by OTLP over HTTP: http://localhost:4318; none = nowhere.",
  ),
  serviceName: setting("OTEL_SERVICE_NAME", text, "whisper-api", "The name on these spans."),
};

const settings = {
  ...address,
  ...models,
  ...computing,
  ...callers,
  ...recordings,
  ...live,
  ...taskSettings,
  ...results,
  ...sharing,
  ...observing,
};

/** The settings under the headings of docs/configuration.md. */
const topics: Readonly<Record<string, Readonly<Record<string, Setting<unknown>>>>> = {
  Address: address,
  Models: models,
  Computing: computing,
  "Who may call, and how much": callers,
  "Recordings and folders": recordings,
  "Live sessions": live,
  "Tasks and webhooks": taskSettings,
  Results: results,
  "Several servers": sharing,
  "Logs and traces": observing,
};

type Settings = typeof settings;

/** Every setting with a value. Sizes in bytes, times in milliseconds, paths relative to the working directory. */
export type Config = {
  readonly [Key in keyof Settings]: Exclude<ReturnType<Settings[Key]["parse"]>, undefined>;
};

type Env = Readonly<Record<string, string | undefined>>;

const rows: [string, Setting<unknown>][] = Object.entries(settings);
const envNames = rows.map(([, row]) => row.env);

/** The settings that may stand on a command line as well: all but secrets, which others would see there. */
export const publicSettings: readonly {
  readonly env: string;
  readonly help: string;
  readonly default: string;
}[] = rows.map(([, row]) => row).filter(({ secret }) => !secret);

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

/** A URL without user and password; anything else as it is. */
const anonymous = (value: string) => value.replace(/^([a-z]+:\/\/).*@/i, "$1");

/** One letter in four may be wrong: MAX_FILESIZE is ours, CPU is not GPU. */
function misspelt(env: Env): string[] {
  return Object.keys(env).flatMap((name) => {
    if (env[name] === undefined || envNames.includes(name)) return [];
    const upper = name.toUpperCase();
    const [nearest] = envNames
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
  const width = Math.max(...envNames.map((name) => name.length));
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

/** Gains of more threads end about here: what they compute is cut into too small pieces. */
const mostThreads = 16;

/** THREADS as it is used: 0 = the cores. More threads than cores would wait for each other. */
export function threadsOn(cores: number, threads: number): number {
  return Math.min(threads || mostThreads, cores);
}

/** SLOTS=0: more are worth it where a step of many windows costs no more than one of few. */
export const defaultSlots = (onGpu: boolean) => (onGpu ? 32 : 8);
