/** Tasks that are followed over HTTP. */
import { AppError } from "../../core/errors.ts";
import type { Deps } from "../../http/deps.ts";
import { idleSeconds, type Timeouts } from "../../http/idleness.ts";
import { eventStream } from "../../http/sse.ts";
import { report } from "../../http/trail.ts";
import type { Task } from "../../store/tasks.ts";

/** Of one caller: each looks at the store from time to time. */
const maxStreams = 100;

export class TaskStreams {
  /** Open ones by caller. */
  private readonly counts = new Map<string, number>();

  constructor(private readonly deps: Deps) {}

  /** Throws rate_limit_exceeded. */
  open(task: Task, after: number, request: Request, server: Timeouts): Response {
    if ((this.counts.get(task.caller) ?? 0) >= maxStreams) {
      throw new AppError(
        "rate_limit_exceeded",
        `Expected at most ${maxStreams} streams of tasks but received another one`,
      );
    }
    const abandoned = new AbortController();
    const signal = AbortSignal.any([request.signal, abandoned.signal, this.deps.stopping]);
    return eventStream({
      events: this.events(task, after, signal),
      failed: (error) => ({ error: report(error, request, this.deps.log) }),
      abandoned: () => abandoned.abort(),
      pulled: () => server?.timeout(request, idleSeconds),
    });
  }

  private async *events(task: Task, after: number, signal: AbortSignal): AsyncGenerator<object> {
    const { tasks, stopping } = this.deps;
    const { caller } = task;
    this.counts.set(caller, (this.counts.get(caller) ?? 0) + 1);
    try {
      yield* tasks.follow(task, after, signal);
      if (stopping.aborted) throw AppError.shuttingDown();
    } finally {
      const left = (this.counts.get(caller) ?? 0) - 1;
      if (left > 0) this.counts.set(caller, left);
      else this.counts.delete(caller);
    }
  }
}
