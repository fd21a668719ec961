/** What callers are told when the addon cannot read a recording, or fails over it. */
import { AppError } from "../core/errors.ts";
import { invalidFileFormat } from "../core/file-formats.ts";
import type { NativeError, NativeErrorCode } from "../native.ts";

/** His file is no recording that we can read. */
export function decodingError(error: NativeError, signal: AbortSignal, withFfmpeg: boolean): AppError {
  const { code, message } = error;
  const details = { param: "file", cause: error };
  switch (code) {
    case "unsupported_format":
      if (!withFfmpeg) return new AppError("unsupported_media_type", message, details);
      return new AppError("invalid_file_format", invalidFileFormat(message), details);
    case "no_audio":
      return new AppError("no_audio_track", message, details);
    case "corrupt_audio":
    case "audio_too_short":
    case "audio_too_long":
      return new AppError(code, message, details);
    default:
      return runError(code, message, signal);
  }
}

/** A run has failed, or was ended: `signal` says by whom. */
export function runError(code: NativeErrorCode, message: string, signal: AbortSignal): AppError {
  const cause = new Error(message);
  if (code === "cancelled") return AppError.cancelled(signal);
  if (code === "closed") return AppError.shuttingDown();
  if (code === "out_of_memory") {
    return new AppError("server_overloaded", "Not enough memory for another recording now", {
      retryAfterSeconds: 30,
      cause,
    });
  }
  return new AppError("internal_error", "The transcription failed", { cause });
}

export const noVad = () =>
  new AppError("model_unavailable", "Voice activity detection is not installed on this server", {
    param: "vad",
  });
