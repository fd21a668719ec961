/**
 * The bounded queue in front of the engine. Admitted work shares the cores inside (the addon's gate); this bounds how much of
 * it there is, since each run has memory of its own, and refuses what would wait too long instead of queueing it.
 */
import { AppError } from "../core/errors.ts";
import type { Priority } from "../core/options.ts";

const order: Record<Priority, number> = { live: 0, request: 1, batch: 2 };

/** A place among the running. `release()` is idempotent. */
export interface Ticket {
  readonly waitedMs: number;
  /** How many were before it when it came. */
  readonly position: number;
  release(): void;
}

interface Waiting {
  readonly rank: number;
  admit(): void;
  refuse(error: AppError): void;
}

export class Admission {
  private running = 0;
  private readonly waiting: Waiting[] = [];
  private closed = false;
  private readonly idle = Promise.withResolvers<void>();
  /** Moving average, for the hint when to try again. */
  private averageMs = 5000;

  constructor(
    private readonly limits: { readonly maxRuns: number; readonly maxQueue: number },
    private readonly now: () => number = performance.now.bind(performance),
  ) {}

  get status() {
    const { maxRuns, maxQueue } = this.limits;
    return { running: this.running, queued: this.waiting.length, maxRunning: maxRuns, maxQueued: maxQueue };
  }

  /**
   * Waits for a place: by priority, then in the order of arrival. Rejects with server_overloaded when the queue is full,
   * server_shutting_down after close(), request_cancelled when `signal` fires.
   */
  async enter(priority: Priority, signal: AbortSignal): Promise<Ticket> {
    if (this.closed) throw shuttingDown();
    if (signal.aborted) throw AppError.cancelled(signal);
    const arrived = this.now();
    const rank = order[priority];
    const position = this.waiting.filter((other) => other.rank <= rank).length;
    if (this.running >= this.limits.maxRuns) {
      if (this.waiting.length >= this.limits.maxQueue) throw this.overloaded();
      await this.wait(rank, signal);
    } else {
      this.running += 1;
    }
    return this.ticket(arrived, position);
  }

  /** Refuses everyone who waits or comes from now on. Resolves when the last ticket is released. */
  close(): Promise<void> {
    this.closed = true;
    for (const waiting of this.waiting.splice(0)) waiting.refuse(shuttingDown());
    if (this.running === 0) this.idle.resolve();
    return this.idle.promise;
  }

  private wait(rank: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(AppError.cancelled(signal));
      };
      const entry: Waiting = {
        rank,
        admit: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
        refuse: (error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      const behind = this.waiting.findIndex((other) => other.rank > rank);
      this.waiting.splice(behind < 0 ? this.waiting.length : behind, 0, entry);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  private ticket(arrived: number, position: number): Ticket {
    const admitted = this.now();
    let held = true;
    return {
      waitedMs: admitted - arrived,
      position,
      release: () => {
        if (!held) return;
        held = false;
        this.averageMs += (this.now() - admitted - this.averageMs) / 8;
        // the place passes on without becoming free, so that nobody who comes now overtakes the queue
        const next = this.waiting.shift();
        if (next) next.admit();
        else this.running -= 1;
        if (this.closed && this.running === 0) this.idle.resolve();
      },
    };
  }

  private overloaded(): AppError {
    const waitMs = (this.averageMs * (this.waiting.length + 1)) / this.limits.maxRuns;
    return new AppError(
      "server_overloaded",
      `The server is busy: ${this.running} requests are running and ${this.waiting.length} are waiting`,
      {
        retryAfterSeconds: Math.min(60, Math.max(1, Math.ceil(waitMs / 1000))),
      },
    );
  }
}

/** What work is told that came, or did not end, before the server stopped. */
export const shuttingDown = () =>
  new AppError("server_shutting_down", "The server is shutting down", { retryAfterSeconds: 5 });
