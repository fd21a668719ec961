/** Readers of JSON values that clients send: each checks one value and names its place when it is unfit. */
import { AppError } from "./errors.ts";

/** `path` is where the value stands, for the error: session.audio.input.format. */
export type Reader<T> = (value: unknown, path: string) => T;

/** What was sent, by our names; what was not sent is absent. */
export type Given<Readers extends Record<string, Reader<unknown>>> = {
  readonly [Key in keyof Readers]?: ReturnType<Readers[Key]>;
};

export function unfit(path: string, expected: string, value: unknown): AppError {
  return new AppError("invalid_value", `Expected ${expected} for ${path} but received ${shown(value)}`, {
    param: path,
  });
}

/** Never walks into a value: it may be nested without end. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return (JSON.stringify(value) ?? "nothing").slice(0, 60);
}

export const text =
  (maxLength: number): Reader<string> =>
  (value, path) => {
    if (typeof value === "string" && value.length <= maxLength) return value;
    throw unfit(path, `text of at most ${maxLength} characters`, value);
  };

export const choice =
  <const T extends string>(...values: T[]): Reader<T> =>
  (value, path) => {
    const found = values.find((each) => each === value);
    if (found === undefined) throw unfit(path, `one of ${values.join(", ")}`, value);
    return found;
  };

export const number =
  (minimum: number, maximum: number): Reader<number> =>
  (value, path) => {
    if (typeof value === "number" && value >= minimum && value <= maximum) return value;
    throw unfit(path, `a number from ${minimum} to ${maximum}`, value);
  };

export const integer =
  (minimum: number, maximum: number): Reader<number> =>
  (value, path) => {
    if (Number.isInteger(value) && Number(value) >= minimum && Number(value) <= maximum) return Number(value);
    throw unfit(path, `an integer from ${minimum} to ${maximum}`, value);
  };

export const nullable =
  <T>(reader: Reader<T>): Reader<T | null> =>
  (value, path) =>
    value === null ? null : reader(value, path);

export const flag: Reader<boolean> = (value, path) => {
  if (typeof value === "boolean") return value;
  throw unfit(path, "true or false", value);
};

export const list =
  <T>(item: Reader<T>, maxItems: number): Reader<T[]> =>
  (value, path) => {
    if (!Array.isArray(value) || value.length > maxItems)
      throw unfit(path, `a list of at most ${maxItems}`, value);
    return value.map((each, index) => item(each, `${path}[${index}]`));
  };

/** For what clients send back to us, or what has no meaning here. */
export const ignored: Reader<undefined> = () => undefined;

/** Throws unknown_parameter for a key that is not among `readers`. An empty path: the names of its keys are their paths. */
export const object =
  <Readers extends Record<string, Reader<unknown>>>(readers: Readers): Reader<Given<Readers>> =>
  (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw unfit(path || "body", "an object", value);
    const given: Record<string, unknown> = {};
    for (const [key, inner] of Object.entries(value)) {
      const inside = `${path && `${path}.`}${key.slice(0, 60)}`;
      const reader = Object.hasOwn(readers, key) ? readers[key] : undefined;
      if (!reader)
        throw new AppError("unknown_parameter", `Unknown parameter: '${inside}'`, { param: inside });
      given[key] = reader(inner, inside);
    }
    return given as Given<Readers>;
  };
