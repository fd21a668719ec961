/** The documents for users say what the code does: settings, routes, fields, errors, models, links, messages. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import { withSettings } from "../../scripts/docs.mjs";
import { catalogue } from "../../src/core/errors.ts";
import { modelAliases } from "../../src/http/model-names.ts";
import { speechModels } from "../../src/models/catalog.ts";
import { memoryBytes, shapeNamed } from "../../src/models/shape.ts";
import { recordings } from "../fixtures/index.ts";
import { blocksOf, pages, readPage as read } from "../helpers/pages.ts";
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

async function description() {
  await using server = await testServer();
  return jsonOf<{ paths: Record<string, Record<string, Operation>> }>(await server.fetch("/docs/json"));
}

const describedPaths = async () => (await description()).paths;

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

test("docs/configuration.md has the settings that there are (else run: bun scripts/docs.mjs)", () => {
  const page = read("docs/configuration.md");
  expect(page).toBe(withSettings(page));
});

describe("docs/quick-start.md", () => {
  test("gives the sizes of the models, in MB", async () => {
    const head = "| `WHISPER_MODEL` | full size | `-q5_1` | `-q5_0` | `-q8_0` |";
    const documented = rows(read("docs/quick-start.md"), head);
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
    expect(rows(read("docs/models.md"), head)).toEqual(
      speechModels.map(({ name, bytes }) => [
        code(name),
        megabytes(bytes),
        memory(name, bytes, 1),
        memory(name, bytes, 8),
      ]),
    );
  });
});

test("the description of the API is OpenAPI", async () => {
  const { valid, errors } = await new Validator().validate(await description());
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
});

describe("docs/api-reference.md", () => {
  test("has a chapter for each route, and for no other", async () => {
    const page = read("docs/api-reference.md");
    const chapters = [...page.matchAll(/^## ((?:GET|POST|PUT|PATCH|DELETE) .*)$/gm)].map(
      ([, title]) => title,
    );
    const routes = Object.entries(await describedPaths()).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(chapters.sort()).toEqual(routes.sort());
  });

  test("has each field of a transcription with its type, range and default, and no other", async () => {
    const documented = rows(read("docs/api-reference.md"), "| field | type | default | |");
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
    const page = read("docs/api-reference.md");
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
    const documented = rows(read("docs/api-reference.md"), "| status | code | type | when |");
    const errors = Object.entries(catalogue).map(([name, { status, type }]) => [
      `${status}`,
      code(name),
      code(type),
    ]);
    expect(documented.map((row) => row.slice(0, 3)).sort()).toEqual(errors.sort());
    for (const [, name, , explanation] of documented) expect([name, explanation]).not.toEqual([name, ""]);
  });

  test("has the statuses of each route", async () => {
    const documented = rows(read("docs/api-reference.md"), "| route | done | refused |");
    const routes = Object.entries(await describedPaths()).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { responses }]) => {
        const statuses = Object.keys(responses).filter((status) => status !== "500");
        const [done, refused] = [
          statuses.filter((each) => each < "400"),
          statuses.filter((each) => each >= "400"),
        ];
        return [code(`${method.toUpperCase()} ${path}`), done.join(", "), refused.join(", ")];
      }),
    );
    expect(documented.sort()).toEqual(routes.sort());
  });

  test("has the aliases of the loaded model", async () => {
    const page = read("docs/api-reference.md");
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

test.each(pages)("%s points to files and chapters that are there", async (path) => {
  const targets = [...read(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  for (const target of targets.filter((target) => !/^https?:/.test(target))) {
    const [file = "", anchor] = target.split("#");
    const found = file === "" ? path : join(dirname(path), file);
    expect([target, existsSync(join(root, found))]).toEqual([target, true]);
    if (anchor !== undefined)
      expect([target, anchorsOf(read(found))]).toEqual([target, expect.arrayContaining([anchor])]);
  }
});

describe("commands on all pages", () => {
  const commands = pages.flatMap((page) =>
    blocksOf(page)
      .filter(({ language }) => language === "sh")
      .map(({ line, text }) => [`${page}:${line}`, text] as const),
  );

  test.each(commands)("%s: fields, recordings and scripts that exist", async (_, text) => {
    const names = [...text.matchAll(/-F '?([a-z_]+(?:\[\])?)=/g)].map(([, name = ""]) => name);
    const fields = names.length > 0 ? Object.keys(await fieldsOf("/v1/audio/transcriptions")) : [];
    expect(names.filter((name) => !fields.includes(name))).toEqual([]);

    const files = [...text.matchAll(/test\/fixtures\/([\w.-]+)/g)].map(([, file = ""]) => file);
    expect(files.filter((file) => !recordings.some(({ name }) => name === file))).toEqual([]);

    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const run = [...text.matchAll(/npm (?:run )?([a-z][\w:-]*)/g)].map(([, name = ""]) => name);
    expect(run.filter((name) => !(name in scripts))).toEqual([]);
    const paths = [...text.matchAll(/(?:bun|node) ((?:src|scripts|test)\/[\w./-]+)/g)].map(
      ([, path = ""]) => path,
    );
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

test("docs/troubleshooting.md quotes messages that there are", async () => {
  const sources = await Array.fromAsync(new Bun.Glob("{src,scripts,native}/**/*.{ts,mjs,cc,h}").scan(root));
  const program = sources
    .map(read)
    .join("\n")
    .replace(/["'`]\s*\+?\s*\n?\s*["'`]/g, "");
  const told = rows(read("docs/troubleshooting.md"), "| you see | it means | do this |");
  // What a message is made of at run time is not in the source: numbers, names, and the usual "for X but received Y".
  const gap = /\.\.\.|"[^"]*"|\d+|\b[A-Z]+_[A-Z_]+\b| for | but |^Expected |'[^' ]*'|\([^)]*\)/;
  const quotes = told.flatMap(([cell = ""]) =>
    [...cell.matchAll(/`([^`]{18,})`/g)].map(([, quote = ""]) => quote),
  );
  const pieces = quotes.map((quote) => quote.split(gap).reduce((a, b) => (b.length > a.length ? b : a), ""));
  expect(quotes.length).toBeGreaterThan(30);
  expect(pieces.filter((piece) => !program.includes(piece))).toEqual([]);
});
