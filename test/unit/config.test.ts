import { describe, expect, test } from "bun:test";
import { ConfigError, loadConfig } from "../../src/config/load.ts";
import { helpText, loggableConfig, markdownTables } from "../../src/config/show.ts";
import { threadsOn } from "../../src/config/topics/computing.ts";

const configOf = (env: Record<string, string>) => loadConfig(env).config;

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("a bad value", () => {
  test.each([
    ["PORT", "99999", "an integer from 0 to 65535"],
    ["PORT", "-1", "an integer"],
    ["PORT", "80.5", "an integer"],
    ["PORT", "0x50", "an integer"],
    ["PORT", "1e3", "an integer"],
    ["PORT", "http", "an integer"],
    ["MAX_RUNS", "-1", "an integer from 0"],
    ["MAX_FILE_SIZE", "0", "a number of bytes"],
    ["MAX_FILE_SIZE", "50 apples", "a number of bytes"],
    ["MAX_FILE_SIZE", "-5MB", "a number of bytes"],
    ["MAX_FILE_SIZE", "99999999999GB", "a number of bytes"],
    ["MAX_FILE_SIZE", "NaN", "a number of bytes"],
    ["MAX_DURATION", "4x", "a time in seconds or with a unit"],
    ["MAX_DURATION", "0", "at least 100ms"],
    ["SHUTDOWN_TIMEOUT", "597h", "at most 596h"],
    ["UPLOAD_TIMEOUT", "Infinity", "a time"],
    ["DEBUG", "maybe", "true or false"],
    ["LOG_FORMAT", "xml", "one of auto, json, text"],
    ["GPU", "cuda", "auto, off, or the index of a GPU"],
    ["GPU", "64", "from 0 to 63"],
    ["MODELS_URL", "ftp://host/x", "an http or https URL"],
    ["MODELS_URL", "huggingface.co", "an http or https URL"],
    ["VAD_URL", "https://", "an http or https URL"],
    ["S3_ENDPOINT", "s3.example", "an http or https URL"],
    ["BLOB_URL", "https://bucket", "s3://bucket/path"],
    ["BLOB_URL", "s3://", "s3://bucket/path"],
    ["BLOB_URL", "s3://bucket/../other", "s3://bucket/path"],
    ["BLOB_URL", "s3://id:secret@bucket", "s3://bucket/path"],
    ["ALLOWED_ORIGINS", "https://app.example/path", "origins"],
    ["ALLOWED_ORIGINS", "app.example", "origins"],
    ["ALLOWED_ORIGINS", "https://*.example", "origins"],
    ["ALLOWED_ORIGINS", ",", "origins"],
    ["RATE_LIMITS", "10", "off or limits for different windows"],
    ["RATE_LIMITS", "10/minute,20/minute", "different windows"],
    ["RATE_LIMITS", "10/fortnight", "second, minute, hour, day"],
    ["RATE_LIMITS", "0/minute", "each of 1 to 1000000 requests"],
    ["RATE_LIMITS_AUDIO", "hour", "off or limits"],
    ["TRUSTED_PROXIES", "10.0.0.0/33", "addresses and ranges"],
    ["TRUSTED_PROXIES", "proxy.example", "loopback, private"],
    ["TRUSTED_PROXIES", ",", "loopback, private"],
    ["API_KEY", "one two", "keys separated by commas"],
    ["API_KEY", "schlüssel", "printable ASCII"],
    ["API_KEY", " , ,", "keys"],
  ])("of %s, %p, refuses to start", (name, value, expected) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^Expected .* for ${name} but received .+`));
    expect(problems[0]).toContain(expected);
  });

  test("is told together with all the others", () => {
    const env = { PORT: "x", DEBUG: "x", GPU: "x", HOST: "::1" };
    expect(problemsOf(env)).toHaveLength(3);
    expect(() => loadConfig(env)).toThrow(/PORT.*GPU.*DEBUG/s);
  });

  test("that is secret is not shown, nor are a URL's credentials, nor endless text", () => {
    expect(problemsOf({ API_KEY: "sk-very secret" }).join()).not.toContain("very");
    expect(problemsOf({ MODELS_URL: "ftp://me:pass@host" }).join()).not.toContain("pass");
    expect(problemsOf({ PORT: "9".repeat(10_000) }).join().length).toBeLessThan(300);
  });
});

describe("the settings", () => {
  test("all have the documented defaults, also when their values are empty", () => {
    const defaults = configOf({});
    expect(defaults).toEqual({
      host: "0.0.0.0",
      port: 8000,
      whisperModel: "base",
      modelsDir: "models",
      modelsUrl: "https://huggingface.co/ggerganov/whisper.cpp/resolve/main",
      modelTtlMs: 300_000,
      modelMemory: 0,
      vadModel: "silero-v6.2.0",
      vadUrl: "https://huggingface.co/ggml-org/whisper-vad/resolve/main",
      apiKeys: [],
      rateLimits: [],
      rateLimitsAudio: [],
      trustedProxies: [],
      allowedOrigins: ["*"],
      dataDir: "data",
      uploadDir: "data/uploads",
      maxFileSize: 52_428_800,
      maxDurationMs: 14_400_000,
      uploadTimeoutMs: 30_000,
      slots: 0,
      threads: 0,
      maxRuns: 0,
      maxQueue: 64,
      maxSessions: 64,
      maxSessionsPerCaller: 16,
      taskTtlMs: 86_400_000,
      maxTasksPerCaller: 1000,
      maxTaskBytes: 10_000_000_000,
      maxRunningTasks: 0,
      worker: true,
      workerPort: "off",
      redisUrl: "",
      redisPrefix: "whisper",
      blobUrl: "",
      s3Endpoint: "",
      s3Region: "us-east-1",
      awsAccessKeyId: "",
      awsSecretAccessKey: "",
      awsSessionToken: "",
      publicUrl: "",
      webhookAllowPrivate: false,
      cacheTtlMs: 86_400_000,
      cacheMaxBytes: 268_435_456,
      sessionLifetimeMs: 3_600_000,
      gpu: "auto",
      shutdownTimeoutMs: 30_000,
      otlpEndpoint: "",
      serviceName: "whisper-api",
      debug: false,
      logFormat: "auto",
    });
    expect(configOf({ PORT: "", API_KEY: "  ", UPLOAD_DIR: "", ALLOWED_ORIGINS: "" })).toEqual(defaults);
  });

  test.each([
    ["1", 1],
    ["52428800", 52_428_800],
    ["200k", 200_000],
    ["200KiB", 204_800],
    ["50MB", 50_000_000],
    ["50 mb", 50_000_000],
    ["1.5GiB", 1_610_612_736],
    ["10B", 10],
  ])("read the size %p as %d bytes", (value, bytes) => {
    expect(configOf({ MAX_FILE_SIZE: value }).maxFileSize).toBe(bytes);
  });

  test.each([
    ["90", 90_000],
    ["0.5", 500],
    ["250ms", 250],
    ["30s", 30_000],
    ["90m", 5_400_000],
    ["4H", 14_400_000],
    ["1.5 h", 5_400_000],
  ])("read the time %p as %d ms", (value, ms) => {
    expect(configOf({ MAX_DURATION: value }).maxDurationMs).toBe(ms);
  });

  test.each([
    ["auto", "auto"],
    ["OFF", "off"],
    ["0", 0],
    ["1", 1],
  ] as const)("read the GPU %p", (value, gpu) => {
    expect(configOf({ GPU: value }).gpu).toBe(gpu);
  });

  test.each([
    ["true", true],
    ["1", true],
    ["YES", true],
    ["off", false],
    ["0", false],
  ])("read the switch %p", (value, debug) => {
    expect(configOf({ DEBUG: value }).debug).toBe(debug);
  });

  test("read lists without their spaces and empty places", () => {
    const { apiKeys, allowedOrigins } = configOf({
      API_KEY: "sk-one, $DATA_DIR/$&,",
      ALLOWED_ORIGINS: "https://App.Example/, http://localhost:3000,app://-",
    });
    expect(apiKeys).toEqual(["sk-one", "$DATA_DIR/$&"]);
    expect(allowedOrigins).toEqual(["https://app.example", "http://localhost:3000", "app://-"]);
  });

  test("put uploads into DATA_DIR unless UPLOAD_DIR says otherwise", () => {
    expect(configOf({ DATA_DIR: "/srv/$& x" }).uploadDir).toBe("/srv/$& x/uploads");
    expect(configOf({ DATA_DIR: "/srv", UPLOAD_DIR: "../up" }).uploadDir).toBe("../up");
  });

  test("drop the slash at the end of a URL", () => {
    expect(configOf({ MODELS_URL: "http://localhost:1/m//" }).modelsUrl).toBe("http://localhost:1/m");
  });
});

describe("a misspelt name", () => {
  test.each([
    ["WHISPER_MODLE", "WHISPER_MODEL"],
    ["MAX_FILESIZE", "MAX_FILE_SIZE"],
    ["max_file_size", "MAX_FILE_SIZE"],
    ["MODEL_DIR", "MODELS_DIR"],
    ["API_KEYS", "API_KEY"],
    ["ALLOW_ORIGINS", "ALLOWED_ORIGINS"],
  ])("%p is met with %p", (name, known) => {
    expect(loadConfig({ [name]: "1" }).warnings).toEqual([
      `${name} is not a setting. Did you mean ${known}?`,
    ]);
  });

  test("is not seen in names that belong to others", () => {
    const others = [
      "HOME",
      "HOTS",
      "PATH",
      "CPU",
      "PWD",
      "TERM",
      "LANG",
      "USER",
      "SHELL",
      "OPENAI_API_KEY",
      "TZ",
    ];
    expect(loadConfig(Object.fromEntries(others.map((name) => [name, "x"]))).warnings).toEqual([]);
  });
});

describe("what is shown of the settings", () => {
  const names = Object.keys(loggableConfig(configOf({})));

  test("is every one of them in the log, without secrets", () => {
    const shown = loggableConfig(
      configOf({ API_KEY: "sk-one,sk-two", MODELS_URL: "https://me:pass@host/x", PORT: "1" }),
    );
    expect(shown).toMatchObject({ API_KEY: 2, MODELS_URL: "https://host/x", PORT: 1 });
    expect(JSON.stringify(shown)).not.toMatch(/sk-|pass/);
  });

  test("is a line for each in the help and a row for each in the table", () => {
    expect(names).toContain("WHISPER_MODEL");
    expect(names).toHaveLength(Object.keys(configOf({})).length);
    expect(helpText().split("\n")).toHaveLength(names.length);
    expect(markdownTables().match(/^\| `/gm)).toHaveLength(names.length);
    for (const name of names) {
      expect(helpText()).toMatch(new RegExp(`^ {2}${name} +\\S`, "m"));
      expect(markdownTables()).toContain(`\n| \`${name}\` | `);
    }
  });
});

describe("threadsOn", () => {
  test.each([
    [1, 0, 1],
    [2, 0, 2],
    [16, 0, 16],
    [64, 0, 16],
    [8, 4, 4],
    [8, 9, 8],
    [64, 40, 40],
  ])("on %d cores THREADS=%d is %d", (cores, asked, threads) => {
    expect(threadsOn(cores, asked)).toBe(threads);
  });
});
