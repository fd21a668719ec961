/** The documents for users say what the code does: settings, routes, fields, errors, models, links. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { withSettings } from "../../scripts/docs.mjs";
import { catalogue } from "../../src/core/errors.ts";
import { modelAliases } from "../../src/http/model-names.ts";
import { speechModels } from "../../src/models/catalog.ts";
import { memoryBytes, shapeNamed } from "../../src/models/shape.ts";
import { recordings } from "../fixtures/index.ts";
import { jsonOf, testServer } from "../helpers/server.ts";

interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly default?: unknown;
}
interface Operation {
  readonly requestBody?: { content: Record<string, { schema: { properties: Record<string, Schema> } }> };
  readonly responses: Record<string, { readonly description: string }>;
}

const root = join(import.meta.dir, "../..");
const read = (path: string) => Bun.file(join(root, path)).text();

async function describedPaths(): Promise<Record<string, Record<string, Operation>>> {
  await using server = await testServer();
  return (
    await jsonOf<{ paths: Record<string, Record<string, Operation>> }>(await server.fetch("/docs/json"))
  ).paths;
}

async function fieldsOf(route: string): Promise<Record<string, Schema>> {
  const content = (await describedPaths())[route]?.post?.requestBody?.content;
  return content?.["multipart/form-data"]?.schema.properties ?? {};
}

/** The cells of every row of the tables that have this head. */
function rows(markdown: string, head: string): string[][] {
  const tables = markdown.split(/\n{2,}/).filter((block) => block.startsWith(`${head}\n`));
  return tables.flatMap((table) => table.trim().split("\n").slice(2)).map(cells);
}

const cells = (row: string) =>
  row
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
const code = (text: unknown) => `\`${text}\``;

/** The type of a field as docs/api-reference.md writes it. */
function typeInWords(schema: Schema): string {
  const { type, items, maxItems, minimum, maximum, maxLength } = schema;
  if (schema.format === "binary") return "file";
  if (type === "array")
    return `list of ${typeInWords(items ?? {}).replace(/^one of /, "")}, at most ${maxItems}`;
  if (schema.enum) return `one of ${schema.enum.map(code).join(", ")}`;
  if (type === "boolean") return "switch";
  if (type === "string") return maxLength === undefined ? "text" : `text of at most ${maxLength} characters`;
  return `${type} ${minimum} to ${maximum}`;
}

describe("README.md", () => {
  test("has the settings that there are (else run: bun scripts/docs.mjs)", async () => {
    const readme = await read("README.md");
    expect(readme).toBe(withSettings(readme));
  });

  test("gives the sizes of the models, in MB", async () => {
    const head = "| `WHISPER_MODEL` | full size | `-q5_1` | `-q5_0` | `-q8_0` |";
    const documented = rows(await read("README.md"), head);
    const megabytes = (name: string) => {
      const weights = speechModels.find((model) => model.name === name);
      return weights ? `${Math.round(weights.bytes / 1e6)}` : "";
    };
    expect(documented.length).toBeGreaterThan(4);
    expect(documented).toEqual(
      documented.map(([cell = ""]) => {
        const name = /`(.*)`/.exec(cell)?.[1] ?? "";
        return [cell, ...["", "-q5_1", "-q5_0", "-q8_0"].map((suffix) => megabytes(name + suffix))];
      }),
    );
  });
});

describe("docs/models.md", () => {
  test("has the catalogue with sizes and memory, in MB", async () => {
    const head = "| model | file | one slot | eight |";
    const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)}`;
    const memory = (name: string, bytes: number, slots: number) =>
      megabytes(memoryBytes(bytes, shapeNamed(name), slots));
    expect(rows(await read("docs/models.md"), head)).toEqual(
      speechModels.map(({ name, bytes }) => [
        code(name),
        megabytes(bytes),
        memory(name, bytes, 1),
        memory(name, bytes, 8),
      ]),
    );
  });
});

describe("docs/api-reference.md", () => {
  test("has a chapter for each route, and for no other", async () => {
    const page = await read("docs/api-reference.md");
    const chapters = [...page.matchAll(/^## ((?:GET|POST|PUT|PATCH|DELETE) .*)$/gm)].map(
      ([, title]) => title,
    );
    const routes = Object.entries(await describedPaths()).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(chapters.sort()).toEqual(routes.sort());
  });

  test("has each field of a transcription with its type, range and default, and no other", async () => {
    const documented = rows(await read("docs/api-reference.md"), "| field | type | default | |");
    const fields = Object.entries(await fieldsOf("/v1/audio/transcriptions")).map(([name, schema]) => [
      code(name),
      typeInWords(schema),
      schema.default === undefined ? "" : code(schema.default),
    ]);
    expect(fields.length).toBeGreaterThan(30);
    expect(documented.map((row) => row.slice(0, 3)).sort()).toEqual(fields.sort());
    for (const [name, , , explanation] of documented) expect([name, explanation]).not.toEqual([name, ""]);
  });

  test("says which of them a translation does not have", async () => {
    const page = await read("docs/api-reference.md");
    const [, listed = ""] =
      /without ((?:`[^`]+`[, and]*)+)\./.exec(page.split("/v1/audio/translations\n")[1] ?? "") ?? [];
    const translation = Object.keys(await fieldsOf("/v1/audio/translations"));
    const missing = Object.keys(await fieldsOf("/v1/audio/transcriptions")).filter(
      (name) => !translation.includes(name),
    );
    expect(missing.length).toBeGreaterThan(0);
    expect([...listed.matchAll(/`([^`]+)`/g)].map(([, name]) => name).sort()).toEqual(missing.sort());
  });

  test("has each error code with its status and type, explained, and no other", async () => {
    const documented = rows(await read("docs/api-reference.md"), "| status | code | type | when |");
    const errors = Object.entries(catalogue).map(([name, { status, type }]) => [
      `${status}`,
      code(name),
      code(type),
    ]);
    expect(documented.map((row) => row.slice(0, 3)).sort()).toEqual(errors.sort());
    for (const [, name, , explanation] of documented) expect([name, explanation]).not.toEqual([name, ""]);
  });

  test("has the aliases of the loaded model", async () => {
    const page = await read("docs/api-reference.md");
    const [, listed = ""] = /aliases: ([^.]*(?:\.\d[^.]*)*)\./.exec(page) ?? [];
    expect([...listed.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "").sort()).toEqual(
      [...modelAliases].sort(),
    );
  });
});

const anchorsOf = (page: string) =>
  [...page.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

test.each([
  "README.md",
  "docs/api-reference.md",
  "docs/realtime.md",
  "docs/limits.md",
  "docs/tasks.md",
  "docs/webhooks.md",
  "docs/deployment.md",
  "docs/scaling.md",
])("%s points to files and chapters that are there", async (path) => {
  const targets = [...(await read(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  expect(targets).not.toBeEmpty();
  for (const target of targets.filter((target) => !/^https?:/.test(target))) {
    const [file = "", anchor] = target.split("#");
    const found = file === "" ? path : join(dirname(path), file);
    expect([target, existsSync(join(root, found))]).toEqual([target, true]);
    if (anchor !== undefined)
      expect([target, anchorsOf(await read(found))]).toEqual([target, expect.arrayContaining([anchor])]);
  }
});

describe.each(["README.md", "docs/api-reference.md", "docs/tasks.md"])("%s", (path) => {
  test("shows curl with fields and recordings that exist", async () => {
    const page = await read(path);
    const names = [...page.matchAll(/-F '?([a-z_]+(?:\[\])?)=/g)].map(([, name = ""]) => name);
    const files = [...page.matchAll(/-F file=@(\S+)/g)].map(([, file = ""]) => basename(file));
    const fields = Object.keys(await fieldsOf("/v1/audio/transcriptions"));
    expect(files).not.toBeEmpty();
    expect(names.filter((name) => !fields.includes(name))).toEqual([]);
    expect(files.filter((file) => !recordings.some(({ name }) => name === file))).toEqual([]);
  });
});
