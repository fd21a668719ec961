/** Room for decoded recordings: each is in memory, whole, from its decoding to the end of its last run. */
import { AppError } from "../core/errors.ts";

/** A part of it, until it is released; that is idempotent. */
export interface Room {
  /** Less is needed than was taken. */
  shrink(bytes: number): void;
  release(): void;
}

export class SampleMemory {
  private freeBytes: number;
  private readonly waiting: { readonly bytes: number; admit(): void }[] = [];

  constructor(readonly maxBytes: number) {
    this.freeBytes = maxBytes;
  }

  /** Waits until there is so much, in the order of arrival. At most `maxBytes`. Rejects with what AppError.cancelled makes of `signal`. */
  async take(bytes: number, signal: AbortSignal): Promise<Room> {
    if (signal.aborted) throw AppError.cancelled(signal);
    if (this.waiting.length > 0 || bytes > this.freeBytes) await this.wait(bytes, signal);
    else this.freeBytes -= bytes;
    let held = bytes;
    const shrink = (left: number) => {
      const freed = Math.max(0, held - left);
      held -= freed;
      this.freeBytes += freed;
      this.admit();
    };
    return { shrink, release: () => shrink(0) };
  }

  private wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(AppError.cancelled(signal));
        this.admit();
      };
      const entry = {
        bytes,
        admit: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
      };
      this.waiting.push(entry);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  private admit(): void {
    for (let [next] = this.waiting; next && next.bytes <= this.freeBytes; [next] = this.waiting) {
      this.waiting.shift();
      this.freeBytes -= next.bytes;
      next.admit();
    }
  }
}
