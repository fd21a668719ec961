/** Does the job of a task: transcribes its recording, as often as it takes, and stores exactly one outcome. */
import type { CallerLimits } from "../core/caller.ts";
import { AppError } from "../core/errors.ts";
import type { AudioAllowance } from "../core/limits.ts";
import type { Blobs } from "../store/blobs.ts";
import type { Job, JobQueue, JobResult } from "../store/jobs.ts";
import type { Task, Tasks } from "../store/tasks.ts";
import { annotate, span } from "../tracing.ts";
import { type CacheStatus, type TranscribeDeps, type Transcription, transcribe } from "../transcribe.ts";
import { Charge } from "./charge.ts";
import { originOf, requestOf, type TaskRequest } from "./request.ts";
import { Resumption } from "./resumption.ts";
import { segmentsOf } from "./transcript.ts";
import { TaskWriter } from "./writer.ts";

/** For transcribe(), and where tasks are kept. */
export interface TaskDeps extends TranscribeDeps {
  readonly store: TranscribeDeps["store"] & {
    readonly tasks: Tasks;
    readonly jobs: JobQueue;
    readonly blobs: Blobs;
  };
}

export interface RunnerOptions {
  readonly deps: TaskDeps;
  /** The budget that a task's audio is taken from. */
  readonly audio: (caller: string, limits: CallerLimits) => AudioAllowance;
  /** A task that still cannot be done so long after it was made has failed. */
  readonly ttlMs: number;
  /** Called whenever the record of a task has changed. */
  readonly changed: (id: string) => void;
  /** Called when a task has ended: what is left of it can go, and others can be told. Idempotent. */
  readonly settle: (id: string) => Promise<void>;
}

/** What takes down ten processes would take down the next one too. */
const mostLosses = 10;

/** Between two tries. */
const longestPauseMs = 600_000;

/** How often one looks whether the task was cancelled elsewhere. */
const lookMs = 1000;

/** Why a run is left: whoever made the task does not want it any more, or its attempt is not the current one. */
type Cancellation = "cancelled" | "lost";

export class TaskRunner {
  private readonly running = new Map<string, AbortController>();

  constructor(private readonly options: RunnerOptions) {}

  /** Stops the run of that task, if it is in this process: its record has been cancelled. */
  cancel(id: string): void {
    const why: Cancellation = "cancelled";
    this.running.get(id)?.abort(why);
  }

  /** The handler of a job. Rejects when the store cannot be asked: then it has to be done again. */
  async run(job: Job): Promise<JobResult> {
    const { deps, settle } = this.options;
    const task = await deps.store.tasks.begin(job.id, Date.now());
    if (!task) {
      await settle(job.id);
      return undefined;
    }
    this.options.changed(job.id);
    const { requestId, traceparent } = originOf(task);
    const attributes = {
      ...{ "whisper.task_id": task.id, "whisper.task_attempt": task.attempt },
      "whisper.request_id": requestId,
    };
    return span(
      "task",
      attributes,
      async () => {
        const again = await this.attempt(task, requestId, job.signal);
        if (again === undefined) await settle(job.id);
        return again;
      },
      { parent: traceparent, kind: "consumer" },
    );
  }

  /** undefined: the task has ended, or is another's. */
  private async attempt(task: Task, requestId: string, stopped: AbortSignal): Promise<JobResult> {
    const { deps, changed } = this.options;
    const { log } = deps;
    const { tasks } = deps.store;
    const fields = { requestId, task: task.id, attempt: task.attempt };
    const cancelled = new AbortController();
    const signal = AbortSignal.any([stopped, cancelled.signal]);
    const cancel = (why: Cancellation) => cancelled.abort(why);
    const writer = new TaskWriter({
      ...{ tasks, task, lost: () => cancel("lost") },
      signal: stopped,
      written: () => changed(task.id),
    });
    let charge: Charge | null = null;
    this.running.set(task.id, cancelled);
    const look = setInterval(() => this.look(task, cancel), lookMs);
    try {
      const request = requestOf(task);
      const allowance = this.options.audio(task.caller, request.limits);
      charge = new Charge(task, allowance, (durationMs) => writer.tell({ durationMs }));
      const { language, cache } = await this.transcribe(task, request, { signal, writer, charge });
      if (await writer.finish({ status: "completed", language })) {
        log.info("task completed", { ...fields, cache, ms: this.tell(task, "completed") });
      }
      return undefined;
    } catch (error) {
      if (cancelled.signal.aborted) {
        // Else another attempt goes on with it.
        if (cancelled.signal.reason === "cancelled") charge?.end();
        return undefined;
      }
      const shown = AppError.from(error, "The transcription failed");
      annotate({}, shown.code);
      if (stopped.aborted || (shown.isPassing && !this.isOverdue(task))) {
        log.info("task given back", { ...fields, code: shown.code });
        if (!(await writer.flush().catch(() => false))) charge?.forget();
        await tasks.giveBack(task.id, task.attempt);
        changed(task.id);
        const isStopping = stopped.aborted || shown.code === "server_shutting_down";
        return { againInMs: isStopping ? 0 : pauseMs(shown) };
      }
      if (shown.code === "internal_error")
        log.error("task failed", { ...fields, error: shown.cause ?? shown });
      else log.info("task failed", { ...fields, code: shown.code });
      if (!(await writer.finish({ status: "failed", error: shown.toJSON() }))) return undefined;
      charge?.end();
      this.tell(task, "failed");
      return undefined;
    } finally {
      clearInterval(look);
      this.running.delete(task.id);
    }
  }

  /** The language that was spoken, and where the result came from. Everything is stored when it resolves. */
  private async transcribe(
    task: Task,
    request: TaskRequest,
    { signal, writer, charge }: { signal: AbortSignal; writer: TaskWriter; charge: Charge },
  ): Promise<{ language: string; cache: CacheStatus }> {
    if (task.losses >= mostLosses) {
      throw new AppError(
        "internal_error",
        `The server ended ${task.losses} times while it worked on this task`,
      );
    }
    const resumption = new Resumption(await Array.fromAsync(segmentsOf(this.options.deps.store.tasks, task)));
    let language = "en";
    const events = await this.start(task, request, signal, charge);
    for await (const event of events) {
      if (event.type === "start") writer.tell({ durationMs: event.durationMs, channels: event.channels });
      else if (event.type === "progress") writer.tell({ doneMs: event.doneMs, totalMs: event.totalMs });
      else if (event.type === "done") language = event.language;
      else if (event.type === "segment") {
        const correction = resumption.add(event.segment);
        if (correction) writer.correct(correction);
      }
    }
    const correction = resumption.end();
    if (correction) writer.correct(correction);
    return { language, cache: events.cache };
  }

  /** Resolves when the run has begun: the recording is not needed then. */
  private async start(
    task: Task,
    { model, options, sha256, requestId }: TaskRequest,
    signal: AbortSignal,
    charge: Charge,
  ): Promise<Transcription> {
    const { deps } = this.options;
    await using file = await deps.store.blobs.open(task.blob);
    if (!file) throw new AppError("internal_error", "The recording of this task is lost");
    return await transcribe(deps, {
      admit: (durationMs) => charge.admit(durationMs),
      refund: (durationMs) => charge.refund(durationMs),
      file: { path: async () => file.path, sha256 },
      ...{ model, options, signal, requestId },
      priority: "batch",
    });
  }

  /** Milliseconds from its submission to its end. */
  private tell({ createdAtMs }: Task, status: "completed" | "failed"): number {
    const ms = Date.now() - createdAtMs;
    this.options.deps.metrics.taskSeconds.observe({ status }, ms / 1000);
    return ms;
  }

  private look(task: Task, cancel: (why: Cancellation) => void): void {
    this.options.deps.store.tasks.find(task.id).then(
      (now) => {
        if (now?.status === "running" && now.attempt === task.attempt) return;
        cancel(now?.status === "cancelled" ? "cancelled" : "lost");
      },
      () => {}, // the writer tells
    );
  }

  private isOverdue(task: Task): boolean {
    return task.createdAtMs + this.options.ttlMs < Date.now();
  }
}

/** Until it is tried again: a part of it is random, so that tasks that were given back together part. */
function pauseMs({ retryAfterSeconds }: AppError): number {
  return Math.min((retryAfterSeconds ?? 1) * 1000, longestPauseMs) * (0.5 + Math.random() / 2);
}
