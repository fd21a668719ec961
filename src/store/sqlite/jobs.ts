/** Jobs in a SQLite file that the processes of one machine share. */
import type { Database } from "bun:sqlite";
import type { Logger } from "../../log.ts";
import type { JobHandler, JobKind, JobQueue, Worker } from "../jobs.ts";
import { ask } from "./ask.ts";
import type { Presence } from "./presence.ts";
import { SqliteWorker } from "./worker.ts";

const schema = `
  create table if not exists jobs (
    kind text not null,
    id text not null,
    -- When it may be begun. Of one that is held: when its lease ends, so that it is due again by itself.
    due_ms integer not null,
    attempt integer not null default 0,
    -- The worker that runs it; null: it waits.
    holder text,
    unique (kind, id)
  ) strict;
  create index if not exists jobs_due on jobs (kind, due_ms);
  create index if not exists jobs_held on jobs (kind, holder) where holder is not null;
`;

export class SqliteJobQueue implements JobQueue {
  readonly #workers = new Map<SqliteWorker, JobKind>();

  /**
   * `hasty` is a connection to the same file whose commits need not reach the disk: what workers write may be lost with the power, and
   * the job is done again. `presence` is null where no other process can have the file: in memory. The caller closes all three after this.
   */
  constructor(
    private readonly database: Database,
    private readonly hasty: Database,
    private readonly presence: Presence | null,
    private readonly log: Logger,
  ) {
    database.run(schema);
  }

  async add(kind: JobKind, id: string, delayMs = 0): Promise<void> {
    await ask(() =>
      this.database
        .query("insert into jobs (kind, id, due_ms) values ($kind, $id, $dueMs) on conflict do nothing")
        .run({ kind, id, dueMs: Date.now() + Math.round(delayMs) }),
    );
    for (const [worker, its] of this.#workers) if (its === kind) worker.wake();
  }

  async remove(kind: JobKind, id: string): Promise<void> {
    await ask(() =>
      this.database
        .query("delete from jobs where kind = $kind and id = $id and holder is null")
        .run({ kind, id }),
    );
  }

  async count(kind: JobKind): Promise<{ waiting: number; running: number }> {
    return await ask(() => {
      const { jobs, running } = this.database
        .query<{ jobs: number; running: number }, { kind: string }>(
          "select count(*) as jobs, count(holder) as running from jobs where kind = $kind",
        )
        .get({ kind }) ?? { jobs: 0, running: 0 };
      return { waiting: jobs - running, running };
    });
  }

  work(kind: JobKind, concurrency: number, handle: JobHandler): Worker {
    const { hasty: database, presence, log } = this;
    const onClose = () => this.#workers.delete(worker);
    const worker = new SqliteWorker({ kind, concurrency, handle, log, onClose }, database, presence);
    this.#workers.set(worker, kind);
    return worker;
  }

  /** Closes the workers without grace. */
  async close(): Promise<void> {
    await Promise.all([...this.#workers.keys()].map((worker) => worker.close(0)));
  }
}
