/** What callers are told who cannot have a model. Names are shown as they were sent, short and escaped; paths are not. */
import { AppError } from "../core/errors.ts";
import { mebibytes } from "../core/notation.ts";
import type { NativeError } from "../native.ts";

const shown = (id: string) => `The model '${JSON.stringify(id.slice(0, 60)).slice(1, -1)}'`;

const notFound = (message: string) => new AppError("model_not_found", message, { param: "model" });

export const unknown = (id: string) => notFound(`${shown(id)} does not exist`);

export const notInstalled = (id: string) =>
  notFound(
    `${shown(id)} is not installed. An administrator can install it: POST /v1/models/${id}, or whisper-api models pull ${id}`,
  );

export const notInCatalogue = (id: string, nearest: readonly string[]) =>
  notFound(`${shown(id)} is not in the catalogue. The nearest names: ${nearest.join(", ")}`);

export const isStandard = (id: string) =>
  new AppError("model_in_use", `${shown(id)} is the model of WHISPER_MODEL: it cannot be removed`, {
    param: "model",
  });

export const neverFits = (id: string, needBytes: number, roomBytes: number) =>
  new AppError(
    "model_unavailable",
    `${shown(id)} needs ${mebibytes(needBytes)}, and MODEL_MEMORY leaves ${mebibytes(roomBytes)} for it`,
    { param: "model" },
  );

export const noRoomNow = (id: string) =>
  new AppError("server_overloaded", `${shown(id)} cannot be loaded now: other models are in use`, {
    retryAfterSeconds: 10,
  });

export const damaged = (id: string, cause?: unknown) =>
  new AppError("model_unavailable", `${shown(id)} cannot be used: its file is damaged, or no model`, {
    param: "model",
    cause,
  });

/** The addon could not load a model. */
export function unusable(id: string, cause: Partial<NativeError>): AppError {
  switch (cause.code) {
    case "bad_model":
      return damaged(id, cause);
    case "out_of_memory":
      return new AppError(
        "server_overloaded",
        `${shown(id)} cannot be loaded now: there is not enough memory`,
        {
          retryAfterSeconds: 30,
          cause,
        },
      );
    default: {
      const reason = cause.code === "io" ? "its file cannot be read" : "it could not be loaded";
      return new AppError("model_unavailable", `${shown(id)} cannot be used: ${reason}`, {
        param: "model",
        cause,
      });
    }
  }
}
