/** A task's transcript as a stream, while it is made or afterwards, in this process or another one. */
import { streamView } from "../core/formats.ts";
import { hasEnded } from "../core/task.ts";
import type { Task, Tasks } from "../store/tasks.ts";
import type { Changes } from "./changes.ts";
import { taskObject } from "./object.ts";
import { requestOf } from "./request.ts";
import { segmentsOf, transcriptOf } from "./transcript.ts";

/** Between two looks at a task that another process may have changed. */
const firstPauseMs = 100;
const longestPauseMs = 2000;

export interface FollowOptions {
  readonly tasks: Tasks;
  readonly changes: Changes;
  /** Payloads up to this one are left out: the client has them. */
  readonly after: number;
  /** Ends the stream, quietly. */
  readonly signal: AbortSignal;
}

/**
 * The payloads of `stream=true`, and the task itself whenever its status has changed. Each carries its `sequence`: of the transcript's
 * they are counted from 1; the others, which tell what is and not what was, carry that of the last one before. Ends when the task has.
 */
export async function* follow(
  first: Task,
  { tasks, changes, after, signal }: FollowOptions,
): AsyncGenerator<object> {
  const { view, options } = requestOf(first);
  const stream = streamView(view, options);
  let sequence = 0;
  let count = 0;
  let status = "";
  let doneMs = 0;
  let hasStarted = false;
  let pauseMs = firstPauseMs;

  const numbered = (payloads: readonly object[]) =>
    payloads
      .map((payload) => {
        sequence += 1;
        return { ...payload, sequence };
      })
      .filter((payload) => payload.sequence > after);
  const unnumbered = (payload: object) => ({ ...payload, sequence });

  for (;;) {
    using watch = changes.watch(first.id);
    const task = await tasks.find(first.id);
    if (!task || signal.aborted) return;
    if (task.status !== status || task.segments > count || task.doneMs !== doneMs) pauseMs = firstPauseMs;

    const isOver = hasEnded(task.status);
    if (task.status !== status && !isOver) yield unnumbered({ type: "task.status", ...taskObject(task) });
    status = task.status;
    if (task.durationMs > 0 && !hasStarted) {
      hasStarted = true;
      stream.event({ type: "start", durationMs: task.durationMs, channels: task.channels });
    }
    for await (const segment of segmentsOf(tasks, task, count)) {
      count += 1;
      yield* numbered(stream.event({ type: "segment", segment }));
    }
    if (task.doneMs !== doneMs) {
      doneMs = task.doneMs;
      yield* stream.event({ type: "progress", doneMs, totalMs: task.totalMs }).map(unnumbered);
    }
    if (isOver) {
      if (task.status === "completed") yield* numbered(stream.done(await transcriptOf(tasks, task)));
      yield unnumbered({ type: "task.status", ...taskObject(task) });
      return;
    }
    await watch.next(pauseMs, signal);
    pauseMs = Math.min(2 * pauseMs, longestPauseMs);
  }
}
