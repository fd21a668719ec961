/** Tasks on Redis: a hash and a list for each, sorted sets that find them. Every conditional write is one script. */
import { type TaskStatus, taskStatuses } from "../../core/task.ts";
import type { NewTask, Outcome, Progress, Task, TaskLimits, TaskPage, Tasks } from "../tasks.ts";
import type { RedisConnection } from "./connection.ts";
import appendSource from "./lua/task-append.lua" with { type: "text" };
import beginSource from "./lua/task-begin.lua" with { type: "text" };
import createSource from "./lua/task-create.lua" with { type: "text" };
import endSource from "./lua/task-end.lua" with { type: "text" };
import giveBackSource from "./lua/task-give-back.lua" with { type: "text" };
import removeSource from "./lua/task-remove.lua" with { type: "text" };
import { Script } from "./script.ts";

const scripts = {
  append: new Script<0 | 1>(appendSource),
  begin: new Script<string[]>(beginSource),
  create: new Script<"created" | "too many" | "too large">(createSource),
  end: new Script<0 | 1>(endSource),
  giveBack: new Script<0 | 1>(giveBackSource),
  remove: new Script<null>(removeSource),
};

const unfinishedKey = "tasks:unfinished";
const endedKey = "tasks:ended";
const loadKey = "tasks:load";
const taskKey = (id: string) => `task:${id}`;
const segmentsKey = (id: string) => `task:${id}:segments`;
const callerKey = (caller: string) => `tasks:of:${caller}`;

/** Records that are looked at together for a page of one status. */
const chunk = 100;

type Hash = Readonly<Record<string, string>>;

function taskOf(hash: Hash): Task | null {
  const status = taskStatuses.find((known) => known === hash.status);
  if (status === undefined) return null;
  const number = (field: string, fallback = 0) => Number(hash[field] ?? fallback);
  const time = (field: string) => (hash[field] === undefined ? null : Number(hash[field]));
  return {
    id: hash.id ?? "",
    caller: hash.caller ?? "",
    createdAtMs: number("createdAtMs"),
    request: hash.request ?? "",
    blob: hash.blob ?? "",
    bytes: number("bytes"),
    status,
    attempt: number("attempt"),
    losses: number("losses"),
    startedAtMs: time("startedAtMs"),
    finishedAtMs: time("finishedAtMs"),
    durationMs: number("durationMs"),
    channels: number("channels", 1),
    doneMs: number("doneMs"),
    totalMs: number("totalMs"),
    segments: number("segments"),
    language: hash.language ?? null,
    error: hash.error === undefined ? null : JSON.parse(hash.error),
  };
}

/** A script's reply of fields and values. */
const hashOf = (flat: readonly string[]): Hash =>
  Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, at) => flat.slice(2 * at, 2 * at + 2)));

export class RedisTasks implements Tasks {
  constructor(private readonly connection: RedisConnection) {}

  async create(task: NewTask, limits: TaskLimits): Promise<"created" | "too many" | "too large"> {
    const { id, caller, bytes } = task;
    return scripts.create.run(
      this.connection,
      [taskKey(id), callerKey(caller), unfinishedKey, loadKey],
      [id, caller, bytes, limits.perCaller, limits.maxBytes, ...Object.entries(task).flat()],
    );
  }

  async find(id: string): Promise<Task | null> {
    return taskOf(await this.connection.ask((client) => client.hgetall(taskKey(id))));
  }

  async list(caller: string, { status, after, limit }: TaskPage): Promise<readonly Task[]> {
    const found: Task[] = [];
    let from = after;
    while (found.length < limit) {
      const ids = await this.connection.ask((client) =>
        client.zrevrangebylex(
          callerKey(caller),
          from === undefined ? "+" : `(${from}`,
          "-",
          "LIMIT",
          0,
          chunk,
        ),
      );
      found.push(...(await this.records(ids, status)));
      from = ids.at(-1);
      if (ids.length < chunk) break;
    }
    return found.slice(0, limit);
  }

  async begin(id: string, atMs: number): Promise<Task | null> {
    return taskOf(hashOf(await scripts.begin.run(this.connection, [taskKey(id)], [atMs])));
  }

  async append(
    id: string,
    attempt: number,
    index: number,
    segments: readonly string[],
    { durationMs, channels, doneMs, totalMs }: Progress,
  ): Promise<boolean> {
    const reply = await scripts.append.run(
      this.connection,
      [taskKey(id), segmentsKey(id)],
      [attempt, index, durationMs, channels, doneMs, totalMs, ...segments],
    );
    return reply === 1;
  }

  finish(id: string, attempt: number, outcome: Outcome, atMs: number): Promise<boolean> {
    const result =
      outcome.status === "completed"
        ? ["language", outcome.language]
        : ["error", JSON.stringify(outcome.error)];
    return this.end(id, attempt, atMs, ["status", outcome.status, ...result]);
  }

  async giveBack(id: string, attempt: number): Promise<boolean> {
    return (await scripts.giveBack.run(this.connection, [taskKey(id)], [attempt])) === 1;
  }

  async cancel(id: string, atMs: number): Promise<Task | null> {
    await this.end(id, "any", atMs, ["status", "cancelled"]);
    return this.find(id);
  }

  async remove(id: string): Promise<void> {
    const task = await this.find(id);
    if (!task) return;
    await scripts.remove.run(
      this.connection,
      [taskKey(id), segmentsKey(id), callerKey(task.caller), unfinishedKey, endedKey, loadKey],
      [id],
    );
  }

  async segments(id: string, index: number, limit: number): Promise<readonly string[]> {
    if (limit === 0) return [];
    return this.connection.ask((client) => client.lrange(segmentsKey(id), index, index + limit - 1));
  }

  async endedBefore(atMs: number, limit: number, skip = 0): Promise<readonly Task[]> {
    const ids = await this.connection.ask((client) =>
      client.zrangebyscore(endedKey, "-inf", `(${atMs}`, "LIMIT", skip, limit),
    );
    return this.records(ids);
  }

  async unfinished(limit: number, after?: string): Promise<readonly Task[]> {
    const from = after === undefined ? "-" : `(${after}`;
    const ids = await this.connection.ask((client) =>
      client.zrangebylex(unfinishedKey, from, "+", "LIMIT", 0, limit),
    );
    return this.records(ids);
  }

  private async end(
    id: string,
    attempt: number | "any",
    atMs: number,
    outcome: readonly string[],
  ): Promise<boolean> {
    const keys = [taskKey(id), unfinishedKey, endedKey, loadKey];
    return (await scripts.end.run(this.connection, keys, [id, attempt, atMs, ...outcome])) === 1;
  }

  /** Those that are still there, in their order. */
  private async records(ids: readonly string[], status?: TaskStatus): Promise<Task[]> {
    const tasks = await Promise.all(ids.map((id) => this.find(id)));
    return tasks.filter(
      (task) => task !== null && (status === undefined || task.status === status),
    ) as Task[];
  }
}
