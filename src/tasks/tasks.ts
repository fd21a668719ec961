/** Async tasks: recordings that are taken now and transcribed by whichever worker comes to it. Knows nothing of HTTP. */
import { AppError } from "../core/errors.ts";
import { type Rendered, type ResponseFormat, render, verboseSegments } from "../core/formats.ts";
import { newId } from "../core/ids.ts";
import { seedOf } from "../core/options.ts";
import { readSegment } from "../core/segment-json.ts";
import { hasEnded } from "../core/task.ts";
import type { Worker } from "../store/jobs.ts";
import type { Task, TaskLimits, TaskPage } from "../store/tasks.ts";
import { traceparent } from "../tracing.ts";
import { Changes } from "./changes.ts";
import { follow } from "./follow.ts";
import { ownTask } from "./own-task.ts";
import { originOf, requestOf, type TaskRequest, writeRequest } from "./request.ts";
import { type RunnerOptions, type TaskDeps, TaskRunner } from "./runner.ts";
import { sweepRegularly } from "./sweep.ts";
import { transcriptOf } from "./transcript.ts";
import type { TaskWatchers, WatcherRequest } from "./watchers.ts";

export interface TaskServiceOptions {
  readonly deps: TaskDeps;
  readonly audio: RunnerOptions["audio"];
  readonly watchers: TaskWatchers;
  readonly limits: TaskLimits;
  /** How long results are kept. */
  readonly ttlMs: number;
}

export interface Submission extends Omit<TaskRequest, "traceparent"> {
  /** Path of the recording, which is taken: nothing is left there. */
  readonly path: string;
  readonly bytes: number;
  /** Whose task it is. */
  readonly caller: string;
  readonly watcher: WatcherRequest | null;
}

export class TaskService {
  private readonly store: TaskDeps["store"];
  private readonly changes = new Changes();
  private readonly runner: TaskRunner;
  private worker: Worker | null = null;
  private sweeper: AsyncDisposable | null = null;

  constructor(private readonly options: TaskServiceOptions) {
    const { deps, audio, ttlMs } = options;
    this.store = deps.store;
    this.runner = new TaskRunner({
      ...{ deps, audio, ttlMs },
      changed: (id) => this.changes.tell(id),
      settle: (id) => this.settle(id),
    });
  }

  /** Does jobs, at most so many at a time; 0: none, but what is left over by crashes is cleared up all the same. Called once. */
  start(concurrency: number): void {
    const { deps, watchers, ttlMs } = this.options;
    if (concurrency > 0) {
      this.worker = this.store.jobs.work("transcription", concurrency, (job) => this.runner.run(job));
    }
    this.sweeper = sweepRegularly({ ...this.store, watchers, ttlMs, log: deps.log });
  }

  /** Takes no more jobs; those that run are given back after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([this.worker?.close(graceMs), this.sweeper?.[Symbol.asyncDispose]()]);
  }

  /**
   * Takes a recording. The task that it resolves with is durable: it will end, whatever happens to this process. Throws
   * rate_limit_exceeded, server_overloaded, store_unavailable, and what is wrong with the watcher; nothing is left then.
   */
  async submit({ path, bytes, caller, watcher, ...request }: Submission): Promise<Task> {
    const { store } = this;
    const { deps, watchers, limits } = this.options;
    const { log, metrics } = deps;
    if (watcher) await watchers.check(watcher);
    const id = newId("task");
    // A task that is done again after a crash has to say the same.
    const options = { ...request.options, seed: seedOf(request.options) };
    const text = writeRequest({ ...request, options, traceparent: traceparent() });
    try {
      // In this order: whatever a crash leaves out, nothing that was promised is lost, and the sweeper finds the rest.
      await store.blobs.put(id, path);
      const task = {
        id,
        caller,
        bytes: bytes + text.length,
        createdAtMs: Date.now(),
        request: text,
        blob: id,
      };
      const made = await store.tasks.create(task, limits);
      if (made !== "created") {
        metrics.refusals.inc({ budget: "tasks" });
        throw refusal(made, limits);
      }
      const stored = await this.stored(id);
      if (watcher) await watchers.register(stored, watcher);
      await store.jobs.add("transcription", id);
      metrics.tasksSubmitted.inc();
      log.info("task taken", { requestId: request.requestId, task: id, caller, bytes });
      return stored;
    } catch (error) {
      // Where this fails too, the task is done though nobody waits for it.
      await store.tasks.remove(id).catch(() => {});
      await store.blobs.remove(id).catch(() => {});
      throw AppError.from(error);
    }
  }

  /** As ownTask(). */
  find(caller: string, id: string): Promise<Task> {
    return ownTask(this.store.tasks, caller, id);
  }

  /** Newest first; one more than asked for where there are more. */
  list(caller: string, page: TaskPage): Promise<readonly Task[]> {
    return this.store.tasks.list(caller, page);
  }

  /** Segments from `index` on, as verbose_json shows them. */
  async segments(task: Task, index: number, limit: number): Promise<readonly object[]> {
    const texts = await this.store.tasks.segments(task.id, index, limit);
    return verboseSegments(texts.map(readSegment), index, requestOf(task).view);
  }

  /** The transcript as the answer to a request for `format` would be. Throws task_not_finished, and invalid_value for a view that was not made. */
  async rendered(task: Task, format?: ResponseFormat): Promise<Rendered> {
    const { view, options } = requestOf(task);
    if (task.status !== "completed") {
      throw new AppError(
        "task_not_finished",
        `Expected a completed task but received one that is ${task.status}`,
      );
    }
    const responseFormat = format ?? view.responseFormat;
    if (responseFormat === "diarized_json" && !options.splitChannels) {
      throw new AppError(
        "invalid_value",
        "Expected a task that was made with diarized_json for response_format but received one whose channels were mixed",
        { param: "response_format" },
      );
    }
    return render(await transcriptOf(this.store.tasks, task), { ...view, responseFormat });
  }

  /** See follow(). */
  follow(task: Task, after: number, signal: AbortSignal): AsyncIterable<object> {
    return follow(task, { tasks: this.store.tasks, changes: this.changes, after, signal });
  }

  /** Cancels a task that has not ended; in whatever way it has ended by then. */
  async cancel(id: string): Promise<Task | null> {
    const { store } = this;
    const { log, metrics } = this.options.deps;
    const atMs = Date.now();
    const task = await store.tasks.cancel(id, atMs);
    if (task?.status === "cancelled" && task.finishedAtMs === atMs) {
      metrics.taskSeconds.observe({ status: "cancelled" }, (atMs - task.createdAtMs) / 1000);
      log.info("task cancelled", { requestId: originOf(task).requestId, task: id });
    }
    this.runner.cancel(id);
    this.changes.tell(id);
    // The job stays until all that follows from the end is done: after a crash it is done by whoever takes the job.
    await this.settle(id);
    await store.jobs.remove("transcription", id).catch(() => {});
    return task;
  }

  /** Forgets a task that has ended. Idempotent. */
  async remove(id: string): Promise<void> {
    const { store } = this;
    const { watchers } = this.options;
    await watchers.removed(id);
    await store.tasks.remove(id);
    await store.blobs.remove(id);
    this.changes.tell(id);
  }

  private async stored(id: string): Promise<Task> {
    const task = await this.store.tasks.find(id);
    if (task) return task;
    throw new Error("The task is gone");
  }

  /** What follows from the end of a task. Idempotent. */
  private async settle(id: string): Promise<void> {
    const { store } = this;
    const { watchers } = this.options;
    const task = await store.tasks.find(id);
    if (!task || !hasEnded(task.status)) return;
    await watchers.ended(task);
    await store.blobs.remove(task.blob);
  }
}

function refusal(why: "too many" | "too large", limits: TaskLimits): AppError {
  return why === "too many"
    ? new AppError(
        "rate_limit_exceeded",
        `Expected at most ${limits.perCaller} tasks that wait or run but received another one`,
        { retryAfterSeconds: 30 },
      )
    : new AppError("server_overloaded", "The recordings that wait leave no room for another one", {
        retryAfterSeconds: 60,
      });
}
