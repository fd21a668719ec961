import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createLogger, type LogFields, type Logger } from "../../src/log.ts";

/** What is written while `use` has the logger, one entry per line, without colours. */
function written(format: "json" | "text", use: (log: Logger) => void, debug = true): string[] {
  const lines: string[] = [];
  use(createLogger({ format, debug, write: (line) => lines.push(Bun.stripANSI(line)) }));
  return lines;
}

const jsonOf = (fields: LogFields, level: keyof Logger = "info") =>
  JSON.parse(written("json", (log) => log[level]("m", fields)).join(""));

const textOf = (message: string, fields?: LogFields, level: keyof Logger = "info") =>
  written("text", (log) => log[level](message, fields)).join("");

const all = (log: Logger) => {
  for (const level of ["debug", "info", "warn", "error"] as const) log[level](level);
};

describe("a key or a transcript", () => {
  const fields = {
    authorization: "Bearer sk-hidden",
    apiKey: "sk-hidden",
    api_keys: ["sk-hidden"],
    webhookSecret: "sk-hidden",
    text: "sk-hidden",
    request: { headers: { Authorization: "sk-hidden", cookie: "sk-hidden" } },
    segments: [{ id: 0, text: "sk-hidden" }],
    error: Object.assign(new Error("m"), { key: "sk-hidden" }),
  };

  test.each(["json", "text"] as const)("never enters the %s log, however deep it lies", (format) => {
    for (const level of ["info", "error"] as const) {
      const [line = ""] = written(format, (log) => log[level]("m", fields));
      expect(line).toContain("[redacted]");
      expect(line).not.toContain("sk-hidden");
    }
  });

  test("may be counted", () => {
    expect(jsonOf({ apiKeys: 2, hasKey: true, key: null })).toMatchObject({
      apiKeys: 2,
      hasKey: true,
      key: null,
    });
  });
});

test("what is not known is not told, in text as in JSON", () => {
  expect(textOf("request", { status: 200, code: undefined })).toEndWith("request status=200\n");
  expect(jsonOf({ code: undefined })).not.toHaveProperty("code");
});

describe("hostile fields", () => {
  test("cannot pretend to be another line", () => {
    const text = textOf("a\nb\x1b[31m", { file: "x\r\n12:00:00 ERROR forged", "na\nme": 1 });
    expect(text.match(/\n/g)).toEqual(["\n"]);
    expect(text).not.toContain("\x1b");
    expect(written("json", (log) => log.info("a\nb", { c: "\n\u2028" }))).toEqual([
      expect.not.stringMatching(/\n./),
    ]);
  });

  test("cannot replace time, level or message", () => {
    const line = jsonOf({ time: "never", level: "error", message: "forged", n: 1 });
    expect(line).toMatchObject({ level: "info", message: "m", n: 1 });
    expect(line.time).not.toBe("never");
    expect(Object.keys(line)).toEqual(["time", "level", "message", "n"]);
  });

  test("cannot make it throw or grow without end", () => {
    const circle: Record<string, unknown> = { name: "circle" };
    circle.self = circle;
    let deep: unknown = "bottom";
    for (let depth = 0; depth < 10_000; depth++) deep = { deep };
    const fields = {
      circle,
      deep,
      long: "x".repeat(1e6),
      many: Array.from({ length: 1e5 }, () => "y"),
      bytes: new Uint8Array(1e6),
      big: 12n,
      nothing: undefined,
      call: () => {},
      symbol: Symbol("s"),
      nan: Number.NaN,
    };
    for (const format of ["json", "text"] as const) {
      const [line = ""] = written(format, (log) => log.info("m".repeat(1e6), fields));
      expect(line.length).toBeLessThan(20_000);
      expect(line).toContain("[omitted]");
      expect(line).toContain("[1000000 bytes]");
      expect(line).toContain("12");
    }
  });

  test("that cannot be read are named as such", () => {
    const trap = {
      get broken(): never {
        throw new Error("no");
      },
    };
    expect(jsonOf({ trap })).toMatchObject({ message: "m", fields: "[unreadable]" });
  });
});

describe("an error", () => {
  const error = Object.assign(new Error("outer", { cause: new TypeError("inner") }), { code: "bad_model" });

  test("has its name, message, code and cause, and a stack at level error only", () => {
    expect(jsonOf({ error }, "warn").error).toEqual({
      name: "Error",
      message: "outer",
      code: "bad_model",
      cause: { name: "TypeError", message: "inner" },
    });
    expect(jsonOf({ error }, "error").error.stack).toContain("log.test.ts");
  });

  test("in a terminal has its stack on the lines below", () => {
    const [first, ...below] = textOf("failed", { error }, "error").split("\n");
    expect(first).toContain('"message":"outer"');
    expect(first).not.toContain("log.test.ts");
    expect(below.join("\n")).toMatch(/^ {4}at .*log\.test\.ts/m);
  });
});

describe("a line", () => {
  test("in JSON has an ISO time, level, message and the fields", () => {
    const lines = written("json", (log) => log.warn("slow", { waitMs: 12, model: { id: "base" } }));
    const { time, ...rest } = JSON.parse(lines[0] ?? "");
    expect(lines).toEqual([expect.stringMatching(/\n$/)]);
    expect(new Date(time).toISOString()).toBe(time);
    expect(rest).toEqual({ level: "warn", message: "slow", waitMs: 12, model: { id: "base" } });
  });

  test("in a terminal is short and readable", () => {
    expect(textOf("listening", { url: "http://localhost:8000", name: "a b", n: 3 })).toMatch(
      /^\d\d:\d\d:\d\d INFO {2}listening url=http:\/\/localhost:8000 name="a b" n=3\n$/,
    );
  });

  test("of level debug is written only when debug is on", () => {
    expect(written("json", all, false)).toHaveLength(3);
    expect(written("json", all, true)).toHaveLength(4);
  });
});

describe("by default", () => {
  const script = `
    const { createLogger } = await import(${JSON.stringify(join(import.meta.dir, "../../src/log.ts"))});
    createLogger({ format: Bun.argv.at(-1), debug: false }).warn("hello");
  `;
  const run = (format: string, env: Record<string, string>) =>
    Bun.spawnSync([process.execPath, "-e", script, format], {
      env: { PATH: process.env.PATH ?? "", ...env },
    });

  test("lines go to stderr, as JSON when that is no terminal", () => {
    const { stdout, stderr } = run("auto", {});
    expect(JSON.parse(stderr.toString())).toMatchObject({ level: "warn", message: "hello" });
    expect(stdout.toString()).toBe("");
  });

  test("NO_COLOR is honoured", () => {
    expect(run("text", { FORCE_COLOR: "1" }).stderr.toString()).toContain("\x1b[33m");
    expect(run("text", { NO_COLOR: "1" }).stderr.toString()).not.toContain("\x1b");
  });
});
