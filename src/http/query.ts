/** Queries of URLs, read by the same tables as forms. */
import { type FieldTable, type FieldValues, readForm, wireName } from "./form.ts";

/** Throws invalid_value that names the parameter; unknown ones are read over. */
export function readQuery<Table extends FieldTable>(table: Table, request: Request): FieldValues<Table> {
  const parameters = new URLSearchParams(/\?([^#]*)/.exec(request.url)?.[1] ?? "");
  return readForm(table, new Map([...parameters.keys()].map((name) => [name, parameters.getAll(name)])));
}

/** A table as OpenAPI's parameters of a query. */
export const queryParameters = (table: FieldTable) =>
  Object.entries(table).map(([key, { description, ...schema }]) => ({
    ...{ name: wireName(key), in: "query", required: false, description },
    schema: schema as object,
  }));
