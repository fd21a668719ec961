import { describe, expect, test } from "bun:test";
import { posix } from "node:path";
import { Glob } from "bun";

/** Paths inside src, by layer. A file that no pattern knows has no place in the design. */
const layers = [
  /^((config|core)\/.+|(assets\.d|log|metrics|native|tracing)\.ts)$/,
  /^(engine|models|net|store)\/.+$/,
  /^(transcribe\.ts|(live|results|tasks)\/.+)$/,
  /^(http\/.+|modules\/[^/]+\/.+)$/,
  /^((main|binary|boot|server)\.ts|cli\/.+)$/,
];

/** What a compiled program carries of the rest of the checkout, beside the addon. */
const comeAlong = ["../package.json", "../models/demo.bin", "../build/Release/libgomp.so.1"];

const layerOf = (path: string) => layers.findIndex((pattern) => pattern.test(path));

/** The part of a layer that must not know its siblings: a folder of core or of layer 1, http, one module. */
const partOf = (path: string) =>
  /^(modules\/[^/]+|core|engine|models|net|store|http)\//.exec(path)?.[1] ?? null;

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const transpiler = new Bun.Transpiler({ loader: "ts", target: "bun" });

function importsOf(source: string): Import[] {
  // Bun's scanner stumbles over the line that names a program's interpreter
  const values = new Set(transpiler.scanImports(source.replace(/^#!.*/, "")).map((found) => found.path));
  const written = source.matchAll(/\b(?:from|import|require)\s*\(?\s*["']([^"']+)["']/g);
  const all = new Set([...values, ...[...written].map((match) => match[1] ?? "")]);
  return [...all].map((specifier) => ({ specifier, typeOnly: !values.has(specifier) }));
}

function brokenByImport(path: string, { specifier, typeOnly }: Import): string | null {
  const layer = layerOf(path);
  if (/^(elysia|@elysiajs\/.+)$/.test(specifier) && layer <= 2)
    return "layers 2 and below do not know Elysia";
  if (/^(bun:sqlite|ioredis|bullmq)$/.test(specifier) && !path.startsWith("store/"))
    return "only store/ knows databases";
  if (!specifier.startsWith(".")) return null;

  const target = posix.join(posix.dirname(path), specifier);
  if (target.endsWith(".node")) return path === "native.ts" ? null : "only native.ts loads the addon";
  if (target.startsWith("..")) return comeAlong.includes(target) ? null : "points out of src";
  const targetLayer = layerOf(target);
  if (targetLayer < 0) return "points to a file outside every layer";
  if (targetLayer > layer) return "points up";
  if (targetLayer === 1 && (layer === 2 || layer === 3) && !typeOnly)
    return "values of layer 1 come through Deps";

  const [part, targetPart] = [partOf(path), partOf(target)];
  if (part === targetPart || targetLayer !== layer) return null;
  if (targetPart?.startsWith("modules/")) return "points sideways, to a module";
  if (part === "core" || (layer === 1 && !typeOnly)) return "points sideways";
  return null;
}

/** What a file of src does that its layer forbids, a sentence each. */
function violations(path: string, source: string): string[] {
  if (layerOf(path) < 0) return [`${path} is outside every layer`];
  // Not transpiled: that would replace process.env.NODE_ENV by its value.
  const code = source.replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, "");
  const readsEnv =
    /\b(Bun|process|import\.meta)\??\.env\b|\benv\b[^;]*\bfrom\s*["'](bun|(node:)?process)["']/;
  return [
    ...(path !== "config/load.ts" && readsEnv.test(code)
      ? [`${path}: only config/load.ts reads the environment`]
      : []),
    ...importsOf(source).flatMap((found) => {
      const broken = brokenByImport(path, found);
      return broken ? [`${path} -> ${found.specifier}: ${broken}`] : [];
    }),
  ];
}

describe("the layers of src", () => {
  test("are kept by every file", async () => {
    const root = posix.join(import.meta.dir, "../../src");
    const paths = await Array.fromAsync(new Glob("**/*.{ts,mts,js,mjs}").scan(root));
    const found = await Promise.all(
      paths.map(async (path) => violations(path, await Bun.file(posix.join(root, path)).text())),
    );
    expect(paths).toContain("core/transcript.ts");
    expect(found.flat().sort()).toEqual([]);
  });

  test.each([
    ["a file outside every layer", "utils/strings.ts", "", "outside every layer"],
    ["a module without a folder", "modules/ui.ts", "", "outside every layer"],
    [
      "an import that points up",
      "core/formats.ts",
      `import { app } from "../server.ts"; app();`,
      "points up",
    ],
    [
      "a type that comes from above",
      "engine/pool.ts",
      `import type { Deps } from "../http/deps.ts";`,
      "points up",
    ],
    ["a re-export from above", "tasks/runner.ts", `export { guard } from "../http/guard.ts";`, "points up"],
    ["a dynamic import from above", "log.ts", `await import("./boot.ts");`, "points up"],
    ["the type of a dynamic import from above", "log.ts", `let x: import("./boot.ts").Boot;`, "points up"],
    ["an import for its effect from above", "log.ts", `import "./boot.ts";`, "points up"],
    [
      "a module that imports another",
      "modules/tasks/index.ts",
      `import type { Form } from "../transcriptions/schema.ts";`,
      "points sideways, to a module",
    ],
    [
      "http that imports a module",
      "http/guard.ts",
      `import { form } from "../modules/transcriptions/schema.ts"; form();`,
      "points sideways, to a module",
    ],
    [
      "core that reads settings",
      "core/formats.ts",
      `import type { Config } from "../config/settings.ts";`,
      "points sideways",
    ],
    [
      "an engine that uses a store",
      "engine/pool.ts",
      `import { open } from "../store/sqlite.ts"; open();`,
      "points sideways",
    ],
    [
      "a value of layer 1 in a module",
      "modules/system/index.ts",
      `import { pool } from "../../engine/pool.ts"; pool();`,
      "values of layer 1 come through Deps",
    ],
    [
      "a value of layer 1 in layer 2",
      "transcribe.ts",
      `import { type A, pool } from "./engine/pool.ts"; pool();`,
      "values of layer 1 come through Deps",
    ],
    [
      "a way out of the server that is not handed in",
      "tasks/delivery.ts",
      `import { openOutbound } from "../net/outbound.ts"; openOutbound();`,
      "values of layer 1 come through Deps",
    ],
    ["Elysia in layer 2", "transcribe.ts", `import { t } from "elysia"; t();`, "do not know Elysia"],
    [
      "a type of an Elysia plugin in core",
      "core/a.ts",
      `import type { C } from "@elysiajs/cors";`,
      "do not know Elysia",
    ],
    [
      "a database in a module",
      "modules/tasks/index.ts",
      `import { Database } from "bun:sqlite"; Database;`,
      "databases",
    ],
    ["Redis in tasks", "tasks/runner.ts", `import type Redis from "ioredis";`, "only store/ knows databases"],
    [
      "the addon loaded elsewhere",
      "engine/a.ts",
      `const a = require("../../build/Release/whisper.node");`,
      "addon",
    ],
    [
      "an import out of src",
      "engine/a.ts",
      `import { fake } from "../../test/fake.ts"; fake();`,
      "out of src",
    ],
    ["Bun.env outside config/load.ts", "http/a.ts", "const a = Bun.env.PORT;", "reads the environment"],
    [
      "process.env outside config/load.ts",
      "main.ts",
      "if (process.env.NODE_ENV) start();",
      "reads the environment",
    ],
    [
      "a default that is taken from the environment",
      "config/topics/models.ts",
      "const a = Bun.env.HOME;",
      "reads the environment",
    ],
    ["env of node:process", "main.ts", `import { env } from "node:process"; env;`, "reads the environment"],
  ])("catch %s", (_, path, source, expected) => {
    expect(violations(path, source)).toEqual([expect.stringContaining(expected)]);
  });

  test.each([
    [
      "what lies below",
      "modules/system/index.ts",
      `import { AppError } from "../../core/errors.ts"; AppError;`,
    ],
    ["a type of layer 1", "transcribe.ts", `import type { Engine } from "./engine/engine.ts";`],
    ["its own folder", "modules/system/index.ts", `import { schema } from "./schema.ts"; schema;`],
    ["http from a module", "modules/system/index.ts", `import { guard } from "../../http/guard.ts"; guard;`],
    ["values of layer 1 in boot.ts", "boot.ts", `import { pool } from "./engine/pool.ts"; pool;`],
    ["the addon in native.ts", "native.ts", `export const a = require("../build/Release/whisper.node");`],
    ["the environment in config/load.ts", "config/load.ts", "const a = Bun.env.PORT;"],
    ["a database in store", "store/sqlite.ts", `import { Database } from "bun:sqlite"; Database;`],
    ["the word in a comment", "main.ts", "// Bun.env is read in config/load.ts only\nconst a = 1;"],
  ])("allow %s", (_, path, source) => {
    expect(violations(path, source)).toEqual([]);
  });
});
