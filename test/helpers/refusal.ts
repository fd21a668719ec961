import { expect } from "bun:test";
import { AppError } from "../../src/core/errors.ts";

/** What a promise was rejected with; fails when it is no AppError. */
export async function refusal(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AppError);
  return error as AppError;
}
