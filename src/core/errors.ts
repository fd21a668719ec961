/**
 * Every error that a caller can see: one class, one catalogue. Clients switch on `code`; status and type come from here.
 */

type ErrorType = "invalid_request_error" | "rate_limit_error" | "server_error";

interface CatalogueEntry {
  readonly status: number;
  readonly type: ErrorType;
  /** false: `x-should-retry: false` is sent, though the status is one that SDKs retry. */
  readonly retry?: boolean;
}

const invalid = (status: number): CatalogueEntry => ({ status, type: "invalid_request_error" });

/** code -> status and type. Wordings are given where an error is thrown: they name the field and what was expected. */
export const catalogue = {
  invalid_value: invalid(400),
  missing_required_parameter: invalid(400),
  unknown_parameter: invalid(400),
  invalid_json: invalid(400),
  invalid_language_format: invalid(400),
  invalid_multipart: invalid(400),
  field_too_large: invalid(400),
  invalid_file_format: invalid(400),
  url_not_fetched: invalid(400),
  no_audio_track: invalid(400),
  corrupt_audio: invalid(400),
  audio_too_short: invalid(400),
  audio_too_long: invalid(400),
  invalid_event: invalid(400),
  input_audio_buffer_commit_empty: invalid(400),
  missing_model: invalid(400),
  invalid_model: invalid(400),
  session_expired: invalid(400),
  invalid_api_key: invalid(401),
  insufficient_scope: invalid(403),
  origin_not_allowed: invalid(403),
  not_found: invalid(404),
  model_not_found: invalid(404),
  task_not_found: invalid(404),
  webhook_not_found: invalid(404),
  method_not_allowed: invalid(405),
  request_timeout: invalid(408),
  task_not_finished: { ...invalid(409), retry: false },
  model_in_use: { ...invalid(409), retry: false },
  request_too_large: invalid(413),
  unsupported_media_type: invalid(415),
  upgrade_required: invalid(426),
  request_cancelled: invalid(499),
  rate_limit_exceeded: { status: 429, type: "rate_limit_error" },
  internal_error: { status: 500, type: "server_error" },
  model_download_failed: { status: 502, type: "server_error", retry: false },
  server_overloaded: { status: 503, type: "server_error", retry: true },
  server_shutting_down: { status: 503, type: "server_error", retry: true },
  store_unavailable: { status: 503, type: "server_error", retry: true },
  model_unavailable: { status: 503, type: "server_error", retry: false },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

export interface ErrorDetails {
  /** The request field that it is about. */
  readonly param?: string;
  /** Seconds until a retry makes sense; sent as Retry-After, with a 503 at most 60. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** No room, a quota, the largest size of a file. */
const fullDisk: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** The one error that callers see. `message` is shown to them: no paths, no keys. */
export class AppError extends Error {
  override readonly name: string = "AppError";
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterSeconds: number | null;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.param = details.param ?? null;
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
  }

  get status(): number {
    return catalogue[this.code].status;
  }

  /** Why work under `signal` ended: the AppError that it was aborted with, else request_cancelled. */
  static cancelled(signal?: AbortSignal): AppError {
    const reason: unknown = signal?.reason;
    return reason instanceof AppError
      ? reason
      : new AppError("request_cancelled", "The request was cancelled", { cause: reason });
  }

  /** What work is told that came, or did not end, before the server stopped. */
  static shuttingDown(): AppError {
    return new AppError("server_shutting_down", "The server is shutting down", { retryAfterSeconds: 5 });
  }

  /** What a caller may know of `error`: an unknown one becomes internal_error, which tells nothing. */
  static from(error: unknown, message = "The server had an error while processing your request"): AppError {
    if (error instanceof AppError) return error;
    if (fullDisk.has((error as { code?: unknown } | null)?.code)) {
      return new AppError("store_unavailable", "There is no room for another recording now", {
        retryAfterSeconds: 60,
        cause: error,
      });
    }
    return new AppError("internal_error", message, { cause: error });
  }

  /** Whether the same may succeed later. */
  get isPassing(): boolean {
    const entry: CatalogueEntry = catalogue[this.code];
    return entry.retry ?? entry.status === 429;
  }

  /** OpenAI's error object. */
  toJSON(): { message: string; type: ErrorType; param: string | null; code: ErrorCode } {
    return { message: this.message, type: catalogue[this.code].type, param: this.param, code: this.code };
  }
}
