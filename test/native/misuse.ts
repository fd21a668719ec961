/** What calls with wrong arguments throw, word for word. */
import { expect } from "bun:test";

/** The type system refuses all of this; callers of JavaScript are not held to it. */
export type Loose = (...given: unknown[]) => unknown;
export const loose = (call: unknown) => call as Loose;

/** Fails unless `call` throws this class with exactly this sentence. */
export function throws(
  call: () => unknown,
  type: typeof TypeError | typeof RangeError,
  message: string,
): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(type);
  expect(thrown).toHaveProperty("message", message);
}

/** How a message shows a value. */
export const received = (value: unknown): string => {
  if (value === null) return "null of type null";
  if (typeof value === "object" || typeof value === "function") return `one of type ${typeof value}`;
  return `${typeof value === "string" ? JSON.stringify(value) : value} of type ${typeof value}`;
};
