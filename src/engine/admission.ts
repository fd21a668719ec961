/**
 * The bounded queue in front of the engines. Admitted work shares the cores inside (the addon's gate); this bounds how much of
 * it there is, since each run has memory of its own, and refuses what would wait too long instead of queueing it. The bound is the
 * process's, whatever the models: an engine has a share, which counts its own work and can be closed alone.
 */
import { AppError } from "../core/errors.ts";
import type { Priority } from "../core/options.ts";
import type { EngineStatus } from "./engine.ts";

const order: Record<Priority, number> = { live: 0, request: 1, batch: 2 };

/** A place among the running. `release()` is idempotent. */
export interface Ticket {
  readonly waitedMs: number;
  /** How many were before it when it came. */
  readonly position: number;
  release(): void;
}

interface Counts {
  running: number;
  queued: number;
}

interface Waiting {
  readonly rank: number;
  admit(): void;
}

export class Admission {
  private running = 0;
  private readonly waiting: Waiting[] = [];
  /** Moving average, for the hint when to try again. */
  private averageMs = 5000;

  constructor(
    private readonly limits: { readonly maxRuns: number; readonly maxQueue: number },
    private readonly now: () => number = performance.now.bind(performance),
  ) {}

  get status(): EngineStatus {
    const { maxRuns, maxQueue } = this.limits;
    return { running: this.running, queued: this.waiting.length, maxRunning: maxRuns, maxQueued: maxQueue };
  }

  /**
   * Waits for a place: by priority, then in the order of arrival. Rejects with server_overloaded when the queue is full, with what
   * AppError.cancelled makes of `signal` when that fires. `own`: counts of the caller's, which are kept.
   */
  async enter(
    priority: Priority,
    signal: AbortSignal,
    own: Counts = { running: 0, queued: 0 },
  ): Promise<Ticket> {
    if (signal.aborted) throw AppError.cancelled(signal);
    const arrived = this.now();
    const rank = order[priority];
    const position = this.waiting.filter((other) => other.rank <= rank).length;
    if (this.running >= this.limits.maxRuns) {
      if (this.waiting.length >= this.limits.maxQueue) throw this.overloaded();
      await this.wait(rank, signal, own);
    } else {
      this.running += 1;
      own.running += 1;
    }
    return this.ticket(arrived, position, own);
  }

  /** For one engine. */
  share(): Share {
    return new Share(this);
  }

  private wait(rank: number, signal: AbortSignal, own: Counts): Promise<void> {
    own.queued += 1;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        own.queued -= 1;
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(AppError.cancelled(signal));
      };
      const entry: Waiting = {
        rank,
        admit: () => {
          own.queued -= 1;
          own.running += 1;
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      const behind = this.waiting.findIndex((other) => other.rank > rank);
      this.waiting.splice(behind < 0 ? this.waiting.length : behind, 0, entry);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  private ticket(arrived: number, position: number, own: Counts): Ticket {
    const admitted = this.now();
    let held = true;
    return {
      waitedMs: admitted - arrived,
      position,
      release: () => {
        if (!held) return;
        held = false;
        own.running -= 1;
        this.averageMs += (this.now() - admitted - this.averageMs) / 8;
        // the place passes on without becoming free, so that nobody who comes now overtakes the queue
        const next = this.waiting.shift();
        if (next) next.admit();
        else this.running -= 1;
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

/** An engine's part of what is admitted. */
export class Share {
  private readonly own: Counts = { running: 0, queued: 0 };
  private readonly closing = new AbortController();
  private readonly idle = Promise.withResolvers<void>();

  constructor(private readonly all: Admission) {}

  /** Its own work, within the limits of all. */
  get status(): EngineStatus {
    return { ...this.all.status, ...this.own };
  }

  /** As Admission.enter; rejects with server_shutting_down after close(). */
  async enter(priority: Priority, signal: AbortSignal): Promise<Ticket> {
    const either = AbortSignal.any([signal, this.closing.signal]);
    const ticket = await this.all.enter(priority, either, this.own);
    const release = () => {
      ticket.release();
      this.settle();
    };
    if (!this.closing.signal.aborted) return { ...ticket, release };
    release();
    throw AppError.shuttingDown();
  }

  /** Refuses everyone who waits or comes from now on. Resolves when the last ticket is released. */
  close(): Promise<void> {
    this.closing.abort(AppError.shuttingDown());
    this.settle();
    return this.idle.promise;
  }

  private settle(): void {
    if (this.closing.signal.aborted && this.own.running === 0) this.idle.resolve();
  }
}
