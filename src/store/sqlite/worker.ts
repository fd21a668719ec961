/** Takes jobs of one kind from the table, keeps their leases while they run, and takes over those of workers that are gone. */
import type { Database } from "bun:sqlite";
import { type Logger, seldom } from "../../log.ts";
import { type Job, type JobKind, type JobResult, retryPauseMs, type Worker } from "../jobs.ts";
import type { Presence } from "./presence.ts";

/** A process that does not renew for so long is taken for stuck; of one that has ended we know at once. */
const leaseMs = 10_000;
const renewMs = 3000;
/** Jobs that other processes add are seen within this time. */
const pollMs = 500;

export interface SqliteWorkerOptions {
  readonly database: Database;
  readonly presence: Presence | null;
  readonly log: Logger;
  readonly kind: JobKind;
  readonly concurrency: number;
  readonly handle: (job: Job) => Promise<JobResult>;
  readonly onClose: () => void;
}

interface Taken {
  readonly id: string;
  readonly attempt: number;
}

interface Running {
  readonly aborter: AbortController;
  /** Resolves when the handler has left and the queue knows of it. */
  readonly left: Promise<void>;
}

export class SqliteWorker implements Worker {
  readonly #options: SqliteWorkerOptions;
  /** The process, then the worker in it. */
  readonly #holder: string;
  readonly #running = new Map<string, Running>();
  readonly #renewal: Timer;
  #timer: Timer | undefined;
  #woken: NodeJS.Immediate | undefined;
  #isClosed = false;
  readonly #complains = seldom();

  constructor(options: SqliteWorkerOptions) {
    this.#options = options;
    this.#holder = `${options.presence?.name ?? ""}/${crypto.randomUUID()}`;
    this.#renewal = setInterval(() => this.#trying(() => this.#renew()), renewMs);
    this.#timer = setTimeout(() => this.#poll(), 0);
  }

  /** A job has been added by this process. */
  wake(): void {
    this.#woken ??= setImmediate(() => {
      this.#woken = undefined;
      this.#trying(() => this.#look());
    });
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const grace = setTimeout(() => {
      for (const { aborter } of this.#running.values()) aborter.abort(new Error("The worker stops"));
    }, graceMs);
    await Promise.all([...this.#running.values()].map(({ left }) => left));
    clearTimeout(grace);
    clearInterval(this.#renewal);
    this.#options.onClose();
  }

  #poll(): void {
    this.#trying(() => this.#takeOver());
    this.#trying(() => this.#look());
  }

  /** Begins what is due and looks again when more may be. */
  #look(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    // If anything below throws.
    this.#timer = setTimeout(() => this.#poll(), pollMs * (0.75 + Math.random() / 2));
    while (this.#running.size < this.#options.concurrency) {
      const waitMs = this.#nextDueMs() - Date.now();
      const taken = waitMs <= 0 ? this.#take() : null;
      if (taken) this.#begin(taken);
      else {
        if (waitMs > 0 && waitMs < pollMs) {
          clearTimeout(this.#timer);
          this.#timer = setTimeout(() => this.#poll(), waitMs);
        }
        return;
      }
    }
  }

  #nextDueMs(): number {
    const { database, kind } = this.#options;
    const next = database
      .query<{ dueMs: number | null }, { kind: string }>(
        "select min(due_ms) as dueMs from jobs where kind = $kind",
      )
      .get({ kind });
    return next?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  #take(): Taken | null {
    const nowMs = Date.now();
    // Those that run here are left out: this process may have slept through its own leases.
    return this.#options.database
      .query<Taken, Record<string, string | number>>(
        `update jobs set holder = $holder, due_ms = $leaseEndMs, attempt = attempt + 1
         where rowid = (
           select rowid from jobs
           where kind = $kind and due_ms <= $nowMs and id not in (select value from json_each($running))
           order by due_ms, rowid limit 1
         )
         returning id, attempt`,
      )
      .get({
        ...{ kind: this.#options.kind, holder: this.#holder, nowMs, leaseEndMs: nowMs + leaseMs },
        running: this.#runningJson(),
      });
  }

  #begin(taken: Taken): void {
    const aborter = new AbortController();
    const left = this.#run(taken, aborter.signal).finally(() => {
      this.#running.delete(taken.id);
      if (!this.#isClosed) this.wake();
    });
    this.#running.set(taken.id, { aborter, left });
  }

  async #run({ id, attempt }: Taken, signal: AbortSignal): Promise<void> {
    const { kind, handle, log } = this.#options;
    // The handler begins when the job is known to run.
    await null;
    try {
      const result = await handle({ id, attempt, signal });
      this.#trying(() =>
        result ? this.#giveBack(id, attempt, Date.now() + result.againInMs) : this.#forget(id, attempt),
      );
    } catch (error) {
      if (signal.aborted) {
        this.#trying(() => this.#giveBack(id, attempt, 0, attempt - 1));
        return;
      }
      log.warn("A job has failed and is tried again", { kind, id, attempt, error });
      this.#trying(() => this.#giveBack(id, attempt, Date.now() + retryPauseMs(attempt)));
    }
  }

  /** What another worker holds by now is left alone. */
  #giveBack(id: string, attempt: number, dueMs: number, counted = attempt): void {
    this.#options.database
      .query(
        `update jobs set holder = null, due_ms = $dueMs, attempt = $counted
         where kind = $kind and id = $id and holder = $holder and attempt = $attempt`,
      )
      .run({
        ...{ kind: this.#options.kind, id, holder: this.#holder, attempt },
        ...{ counted, dueMs: Math.round(dueMs) },
      });
  }

  #forget(id: string, attempt: number): void {
    this.#options.database
      .query("delete from jobs where kind = $kind and id = $id and holder = $holder and attempt = $attempt")
      .run({ kind: this.#options.kind, id, holder: this.#holder, attempt });
  }

  /** Of the jobs that run here; those that are no longer ours are told to leave. */
  #renew(): void {
    if (this.#running.size === 0) return;
    const kept = this.#options.database
      .query<{ id: string }, Record<string, string | number>>(
        `update jobs set due_ms = $leaseEndMs
         where kind = $kind and holder = $holder and id in (select value from json_each($running))
         returning id`,
      )
      .all({
        ...{ kind: this.#options.kind, holder: this.#holder, leaseEndMs: Date.now() + leaseMs },
        running: this.#runningJson(),
      });
    const ids = new Set(kept.map(({ id }) => id));
    for (const [id, { aborter }] of this.#running)
      if (!ids.has(id)) aborter.abort(new Error("Another worker has taken the job over"));
  }

  /** Puts back, before all others, what processes held that have ended. */
  #takeOver(): void {
    const { database, presence, kind } = this.#options;
    if (!presence) return;
    const holders = database
      .query<{ holder: string }, { kind: string }>(
        "select distinct holder from jobs where kind = $kind and holder is not null",
      )
      .all({ kind });
    for (const { holder } of holders) {
      if (!presence.isGone(holder.slice(0, holder.indexOf("/")))) continue;
      database
        .query("update jobs set holder = null, due_ms = 0 where kind = $kind and holder = $holder")
        .run({ kind, holder });
    }
  }

  #runningJson(): string {
    return JSON.stringify([...this.#running.keys()]);
  }

  /** The database may be full or locked for now. A lease that could not be ended ends by itself. */
  #trying(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (this.#complains()) this.#options.log.error("The job queue cannot be written", { error });
    }
  }
}
