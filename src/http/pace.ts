/** How fast a body comes: whoever sends nothing, or drips a byte now and then, holds up nobody for long. */
import { AppError } from "../core/errors.ts";

/** A body may take the stall timeout and this long for each byte. */
const msPerByte = 1;

export class Pace {
  /** To be counted by whoever reads. */
  received = 0;
  private readonly startedAt = performance.now();

  /** `late` makes the error; default: request_timeout. */
  constructor(
    private readonly stallTimeoutMs: number,
    private readonly late = () =>
      new AppError(
        "request_timeout",
        "Expected the rest of the request body but received nothing more in time",
      ),
  ) {}

  /** Settles as `read` does; throws what `late` makes when that takes too long. */
  async next<T>(read: Promise<T>): Promise<T> {
    const spentMs = performance.now() - this.startedAt;
    const leftMs = this.stallTimeoutMs + this.received * msPerByte - spentMs;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(this.late()),
      Math.max(0, Math.min(leftMs, this.stallTimeoutMs)),
    );
    try {
      return await Promise.race([read, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
