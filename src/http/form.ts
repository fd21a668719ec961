/**
 * Form fields from a table of schemas: one table is the validator, the type, the error sentences and the documentation.
 * Its keys are ours (`beamSize`); on the wire the same names are written `beam_size`.
 */
import { type Static, type TSchema, t } from "elysia";
import { AppError } from "../core/errors.ts";
import { quote } from "./quote.ts";

/** Texts by wire name, as the form carried them. */
export type FieldTexts = ReadonlyMap<string, readonly string[]>;

export type FieldTable = Readonly<Record<string, TSchema>>;

/** An integer field. (Elysia's own t.Integer is a union that also takes strings.) */
export const integerIn = (minimum: number, maximum: number, options: object = {}) =>
  t.Unsafe<number>({ type: "integer", minimum, maximum, ...options });

/** What was sent, by our names; fields that were not sent are absent. */
export type FieldValues<Table extends FieldTable> = { [Key in keyof Table]?: Static<Table[Key]> };

/** Our name of a field as it is written in forms, error messages and the documentation. */
export function wireName(key: string): string {
  const known = wireNames.get(key);
  if (known !== undefined) return known;
  const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  wireNames.set(key, name);
  return name;
}

/** Every form asks for all of them. */
const wireNames = new Map<string, string>();

/**
 * Reads the fields of `table`; others are ignored. `name` tells how a key is written in `texts`. Throws invalid_value that names
 * the field and says what was expected.
 */
export function readForm<Table extends FieldTable>(
  table: Table,
  texts: FieldTexts,
  name: (key: string) => string = wireName,
): FieldValues<Table> {
  const values: Record<string, unknown> = {};
  for (const key in table) {
    const field = name(key);
    const given = texts.get(field);
    if (given !== undefined) values[key] = readField(field, table[key] as TSchema, given);
  }
  return values as FieldValues<Table>;
}

function readField(name: string, schema: TSchema, texts: readonly string[]): unknown {
  if (schema.type === "array") {
    if (texts.length > schema.maxItems)
      throw invalid(name, `at most ${schema.maxItems} values`, `${texts.length}`);
    return texts.map((text) => readText(name, schema.items, text));
  }
  const [text = "", ...more] = texts;
  if (more.length > 0) throw invalid(name, "one value", `${texts.length}`);
  return readText(name, schema, text);
}

function readText(name: string, schema: TSchema, text: string): unknown {
  const value = parse(schema, text);
  if (value === undefined) throw invalid(name, expected(schema), quote(text));
  return value;
}

/** undefined: `text` is not what the schema wants. */
function parse(schema: TSchema, text: string): unknown {
  if (schema.enum) return schema.enum.includes(text) ? text : undefined;
  switch (schema.type) {
    case "boolean":
      if (/^(true|1|on)$/i.test(text)) return true;
      return /^(false|0|off)$/i.test(text) ? false : undefined;
    case "number":
    case "integer": {
      const number = Number(text);
      const written = schema.type === "integer" ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
      return written.test(text) && number >= schema.minimum && number <= schema.maximum ? number : undefined;
    }
    default:
      return text.length <= (schema.maxLength ?? text.length) ? text : undefined;
  }
}

function expected(schema: TSchema): string {
  if (schema.enum) return `one of ${schema.enum.join(", ")}`;
  if (schema.type === "boolean") return "true or false";
  if (schema.type === "string") return `at most ${schema.maxLength} characters`;
  const kind = schema.type === "integer" ? "an integer" : "a number";
  return `${kind} from ${schema.minimum} to ${schema.maximum}`;
}

/** The refusal of a field. `received` stands as given: quote what a client sent. */
export function invalid(field: string, expectation: string, received: string): AppError {
  return new AppError("invalid_value", `Expected ${expectation} for ${field} but received ${received}`, {
    param: field,
  });
}

/** What says nothing: without it /docs would fill the form with samples, and "Try it out" send them. */
function unsaid({ type, minimum }: TSchema): unknown {
  if (type === "boolean") return false;
  if (type === "array") return [];
  return type === "string" ? "" : (minimum ?? 0);
}

/** The table as OpenAPI's schema of a multipart form; lists are written with brackets, as the official clients do. */
export function formSchema(table: FieldTable): TSchema {
  const properties = Object.entries(table).map(([key, schema]) => [
    schema.type === "array" ? `${wireName(key)}[]` : wireName(key),
    t.Optional({ ...schema, ...(schema.default === undefined && { example: unsaid(schema) }) }),
  ]);
  const file = t.String({
    format: "binary",
    description: "The recording, unless there is `url`. Its type is found from the bytes.",
  });
  return t.Object({ file: t.Optional(file), ...Object.fromEntries(properties) });
}
