/** Takes jobs of one kind from the table, keeps their leases while they run, and takes over those of workers that are gone. */
import type { Database } from "bun:sqlite";
import { seldom } from "../../log.ts";
import { retryPauseMs, type Worker, type WorkerOptions } from "../jobs.ts";
import { RunningJobs } from "../running-jobs.ts";
import type { Presence } from "./presence.ts";

/** A process that does not renew for so long is taken for stuck; of one that has ended we know at once. */
const leaseMs = 10_000;
const renewMs = 3000;
/** Jobs that other processes add are seen within this time. */
const pollMs = 500;

interface Taken {
  readonly id: string;
  readonly attempt: number;
}

export class SqliteWorker implements Worker {
  readonly #options: WorkerOptions;
  readonly #database: Database;
  readonly #presence: Presence | null;
  /** The process, then the worker in it. */
  readonly #holder: string;
  readonly #running = new RunningJobs();
  readonly #renewal: Timer;
  #timer: Timer | undefined;
  #woken: NodeJS.Immediate | undefined;
  #isClosed = false;
  readonly #complains = seldom();

  /** Without `presence` no other process uses the database, which stays the caller's. */
  constructor(options: WorkerOptions, database: Database, presence: Presence | null) {
    this.#options = options;
    this.#database = database;
    this.#presence = presence;
    this.#holder = `${presence?.name ?? ""}/${crypto.randomUUID()}`;
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
    await this.#running.close(graceMs);
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
    while (this.#running.ids.length < this.#options.concurrency) {
      const waitMs = this.#nextDueMs() - Date.now();
      const taken = waitMs <= 0 ? this.#take() : null;
      if (taken) void this.#begin(taken);
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
    const { kind } = this.#options;
    const next = this.#database
      .query<{ dueMs: number | null }, { kind: string }>(
        "select min(due_ms) as dueMs from jobs where kind = $kind",
      )
      .get({ kind });
    return next?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  #take(): Taken | null {
    const nowMs = Date.now();
    // Those that run here are left out: this process may have slept through its own leases.
    return this.#database
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

  async #begin(taken: Taken): Promise<void> {
    await this.#running.run(taken.id, (signal) => this.#run(taken, signal));
    if (!this.#isClosed) this.wake();
  }

  /** Never rejects. */
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
    this.#database
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
    this.#database
      .query("delete from jobs where kind = $kind and id = $id and holder = $holder and attempt = $attempt")
      .run({ kind: this.#options.kind, id, holder: this.#holder, attempt });
  }

  /** Of the jobs that run here; those that are no longer ours are told to leave. */
  #renew(): void {
    const { ids } = this.#running;
    if (ids.length === 0) return;
    const kept = this.#database
      .query<{ id: string }, Record<string, string | number>>(
        `update jobs set due_ms = $leaseEndMs
         where kind = $kind and holder = $holder and id in (select value from json_each($running))
         returning id`,
      )
      .all({
        ...{ kind: this.#options.kind, holder: this.#holder, leaseEndMs: Date.now() + leaseMs },
        running: this.#runningJson(),
      });
    const ours = new Set(kept.map(({ id }) => id));
    for (const id of ids)
      if (!ours.has(id)) this.#running.abort(id, new Error("Another worker has taken the job over"));
  }

  /** Puts back, before all others, what processes held that have ended. */
  #takeOver(): void {
    const { kind } = this.#options;
    if (!this.#presence) return;
    const holders = this.#database
      .query<{ holder: string }, { kind: string }>(
        "select distinct holder from jobs where kind = $kind and holder is not null",
      )
      .all({ kind });
    for (const { holder } of holders) {
      if (!this.#presence.isGone(holder.slice(0, holder.indexOf("/")))) continue;
      this.#database
        .query("update jobs set holder = null, due_ms = 0 where kind = $kind and holder = $holder")
        .run({ kind, holder });
    }
  }

  #runningJson(): string {
    return JSON.stringify(this.#running.ids);
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
