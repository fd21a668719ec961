/** Downloads that somebody waits for: one for each file, however many ask for it. */
import { AppError } from "../core/errors.ts";
import type { Metrics } from "../metrics.ts";
import type { Weights } from "./catalog.ts";
import { DownloadError, type DownloadLimits, type DownloadProgress, download } from "./download.ts";

interface Pull {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  latest: DownloadProgress;
  waiting: number;
}

export interface PullOptions {
  readonly weights: Weights;
  readonly url: string;
  readonly path: string;
  readonly limits?: DownloadLimits | undefined;
}

/** How often progress is told. */
const tellEveryMs = 200;

export class Pulls {
  private readonly running = new Map<string, Pull>();

  constructor(private readonly metrics: Metrics) {}

  /** Joins the download of a file, or begins it. See Models.pull. */
  async *pull(options: PullOptions, signal: AbortSignal): AsyncGenerator<DownloadProgress, void, void> {
    if (signal.aborted) throw AppError.cancelled(signal);
    const pull = this.running.get(options.path) ?? this.begin(options);
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => {}); // it may come while nobody looks
    const onAbort = () => left.reject(AppError.cancelled(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    pull.waiting += 1;
    try {
      let told = -1;
      for (let isDone = false; !isDone; ) {
        if (pull.latest.doneBytes !== told) yield pull.latest;
        told = pull.latest.doneBytes;
        const later = Bun.sleep(tellEveryMs).then(() => false);
        isDone = await Promise.race([pull.done.then(() => true), later, left.promise]);
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      pull.waiting -= 1;
      if (pull.waiting === 0) this.stop(options.path, pull);
    }
  }

  /** Nobody waits any more: what has arrived is kept for the next time. */
  private stop(path: string, pull: Pull): void {
    if (this.running.get(path) === pull) this.running.delete(path);
    pull.abort.abort();
  }

  private begin({ weights, url, path, limits }: PullOptions): Pull {
    const abort = new AbortController();
    const pull: Pull = {
      abort,
      waiting: 0,
      latest: { doneBytes: 0, totalBytes: weights.bytes, bytesPerSecond: 0 },
      done: download({
        ...{ url, path, weights, signal: abort.signal },
        onProgress: (progress) => {
          pull.latest = progress;
        },
        ...(limits ? { limits } : {}),
      }).then(
        () => {
          this.metrics.modelPulls.inc({ outcome: "done" });
          pull.latest = { ...pull.latest, doneBytes: weights.bytes };
        },
        (error) => {
          this.metrics.modelPulls.inc({ outcome: abort.signal.aborted ? "cancelled" : "failed" });
          throw abort.signal.aborted ? error : refusal(error);
        },
      ),
    };
    pull.done.catch(() => {}).finally(() => this.running.get(path) === pull && this.running.delete(path));
    this.running.set(path, pull);
    return pull;
  }
}

/** What an administrator is told: no paths. */
function refusal(error: unknown): AppError {
  if (error instanceof DownloadError)
    return new AppError("model_download_failed", error.message, { cause: error });
  const { code } = error as { code?: unknown };
  if (typeof code !== "string")
    return new AppError("internal_error", "The download failed", { cause: error });
  return new AppError("model_download_failed", `MODELS_DIR cannot be written: ${code}`, { cause: error });
}
