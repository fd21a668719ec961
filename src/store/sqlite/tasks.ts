/** Tasks in state.db. Every conditional write is one transaction; SQLite has one writer at a time. */
import type { Database, Statement } from "bun:sqlite";
import type { TaskStatus } from "../../core/task.ts";
import type { NewTask, Outcome, Progress, Task, TaskLimits, TaskPage, Tasks } from "../tasks.ts";
import { ask } from "./ask.ts";

const schema = `
create table if not exists tasks (
  id text primary key,
  caller text not null,
  created_at_ms integer not null,
  request text not null,
  blob text not null,
  bytes integer not null,
  status text not null default 'queued',
  attempt integer not null default 0,
  losses integer not null default 0,
  started_at_ms integer,
  finished_at_ms integer,
  duration_ms integer not null default 0,
  channels integer not null default 1,
  done_ms integer not null default 0,
  total_ms integer not null default 0,
  segments integer not null default 0,
  language text,
  error text
) strict, without rowid;
create index if not exists tasks_of_caller on tasks (caller, id);
create index if not exists tasks_unfinished on tasks (id, caller, bytes) where finished_at_ms is null;
create index if not exists tasks_ended on tasks (finished_at_ms) where finished_at_ms is not null;
create table if not exists task_segments (
  task text not null,
  number integer not null,
  segment text not null,
  primary key (task, number)
) strict, without rowid;
`;

interface Row {
  readonly id: string;
  readonly caller: string;
  readonly created_at_ms: number;
  readonly request: string;
  readonly blob: string;
  readonly bytes: number;
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly losses: number;
  readonly started_at_ms: number | null;
  readonly finished_at_ms: number | null;
  readonly duration_ms: number;
  readonly channels: number;
  readonly done_ms: number;
  readonly total_ms: number;
  readonly segments: number;
  readonly language: string | null;
  readonly error: string | null;
}

const taskOf = (row: Row): Task => ({
  id: row.id,
  caller: row.caller,
  createdAtMs: row.created_at_ms,
  request: row.request,
  blob: row.blob,
  bytes: row.bytes,
  status: row.status,
  attempt: row.attempt,
  losses: row.losses,
  startedAtMs: row.started_at_ms,
  finishedAtMs: row.finished_at_ms,
  durationMs: row.duration_ms,
  channels: row.channels,
  doneMs: row.done_ms,
  totalMs: row.total_ms,
  segments: row.segments,
  language: row.language,
  error: row.error === null ? null : JSON.parse(row.error),
});

export class SqliteTasks implements Tasks {
  constructor(private readonly database: Database) {
    database.run(schema);
  }

  create(task: NewTask, limits: TaskLimits): Promise<"created" | "too many" | "too large"> {
    return this.write(() => {
      const { own, bytes } = this.get<{ own: number; bytes: number }>(
        `select count(*) filter (where caller = $caller) as own, ifnull(sum(bytes), 0) as bytes
           from tasks where finished_at_ms is null`,
        { caller: task.caller },
      ) ?? { own: 0, bytes: 0 };
      if (own >= limits.perCaller) return "too many";
      if (bytes + task.bytes > limits.maxBytes) return "too large";
      this.run(
        `insert into tasks (id, caller, created_at_ms, request, blob, bytes)
           values ($id, $caller, $createdAtMs, $request, $blob, $bytes)`,
        { ...task },
      );
      return "created";
    });
  }

  find(id: string): Promise<Task | null> {
    return ask(() => this.task("select * from tasks where id = $id", { id }));
  }

  list(caller: string, { status, after, limit }: TaskPage): Promise<readonly Task[]> {
    return ask(() =>
      this.all(
        `select * from tasks where caller = $caller and ($after is null or id < $after) and ($status is null or status = $status)
         order by id desc limit $limit`,
        { caller, after: after ?? null, status: status ?? null, limit },
      ),
    );
  }

  begin(id: string, atMs: number): Promise<Task | null> {
    return ask(() =>
      this.task(
        `update tasks set status = 'running', attempt = attempt + 1, losses = losses + (status = 'running'),
           started_at_ms = ifnull(started_at_ms, $atMs)
         where id = $id and finished_at_ms is null returning *`,
        { id, atMs },
      ),
    );
  }

  append(
    id: string,
    attempt: number,
    index: number,
    segments: readonly string[],
    progress: Progress,
  ): Promise<boolean> {
    return this.write(() => {
      const count = index + segments.length;
      const isCurrent = this.run(
        `update tasks set segments = $count, duration_ms = $durationMs, channels = $channels, done_ms = $doneMs,
             total_ms = $totalMs
           where id = $id and attempt = $attempt and status = 'running'`,
        { id, attempt, count, ...progress },
      );
      if (!isCurrent) return false;
      segments.forEach((segment, at) => {
        this.run("insert or replace into task_segments values ($id, $number, $segment)", {
          ...{ id, segment },
          number: index + at,
        });
      });
      this.run("delete from task_segments where task = $id and number >= $count", { id, count });
      return true;
    });
  }

  finish(id: string, attempt: number, outcome: Outcome, atMs: number): Promise<boolean> {
    return ask(() => {
      const { status } = outcome;
      const language = outcome.status === "completed" ? outcome.language : null;
      const error = outcome.status === "failed" ? JSON.stringify(outcome.error) : null;
      return this.run(
        `update tasks set status = $status, language = $language, error = $error, finished_at_ms = $atMs
         where id = $id and attempt = $attempt and status = 'running'`,
        { id, attempt, status, language, error, atMs },
      );
    });
  }

  giveBack(id: string, attempt: number): Promise<boolean> {
    return ask(() =>
      this.run(
        "update tasks set status = 'queued' where id = $id and attempt = $attempt and status = 'running'",
        { id, attempt },
      ),
    );
  }

  cancel(id: string, atMs: number): Promise<Task | null> {
    return this.write(() => {
      this.run(
        "update tasks set status = 'cancelled', finished_at_ms = $atMs where id = $id and finished_at_ms is null",
        { id, atMs },
      );
      return this.task("select * from tasks where id = $id", { id });
    });
  }

  remove(id: string): Promise<void> {
    return this.write(() => {
      this.run("delete from tasks where id = $id", { id });
      this.run("delete from task_segments where task = $id", { id });
    });
  }

  segments(id: string, index: number, limit: number): Promise<readonly string[]> {
    return ask(() =>
      this.query<{ segment: string }>(
        "select segment from task_segments where task = $id and number >= $index order by number limit $limit",
      )
        .all({ id, index, limit })
        .map(({ segment }) => segment),
    );
  }

  endedBefore(atMs: number, limit: number, skip = 0): Promise<readonly Task[]> {
    return ask(() =>
      this.all(
        `select * from tasks where finished_at_ms is not null and finished_at_ms < $atMs
         order by finished_at_ms, id limit $limit offset $skip`,
        { atMs, limit, skip },
      ),
    );
  }

  unfinished(limit: number, after = ""): Promise<readonly Task[]> {
    return ask(() =>
      this.all("select * from tasks where finished_at_ms is null and id > $after order by id limit $limit", {
        after,
        limit,
      }),
    );
  }

  private write<T>(act: () => T): Promise<T> {
    return ask(() => this.database.transaction(act).immediate());
  }

  private query<R>(sql: string): Statement<R, [Record<string, Value>]> {
    return this.database.query<R, [Record<string, Value>]>(sql);
  }

  private get<R>(sql: string, values: Record<string, Value>): R | null {
    return this.query<R>(sql).get(values);
  }

  private task(sql: string, values: Record<string, Value>): Task | null {
    const row = this.get<Row>(sql, values);
    return row && taskOf(row);
  }

  private all(sql: string, values: Record<string, Value>): Task[] {
    return this.query<Row>(sql).all(values).map(taskOf);
  }

  /** Whether it has changed anything. */
  private run(sql: string, values: Record<string, Value>): boolean {
    return this.query(sql).run(values).changes > 0;
  }
}

type Value = string | number | null;
