/** Puts right what crashes left: tasks without a job, recordings without a task, and results that have had their time. */
import { hasEnded } from "../core/task.ts";
import type { Logger } from "../log.ts";
import type { Blobs } from "../store/blobs.ts";
import type { JobQueue } from "../store/jobs.ts";
import type { Tasks } from "../store/tasks.ts";
import type { TaskWatchers } from "./watchers.ts";

export interface SweepOptions {
  readonly tasks: Tasks;
  readonly jobs: JobQueue;
  readonly blobs: Blobs;
  readonly watchers: Pick<TaskWatchers, "removed">;
  /** Ended tasks are removed after this time. */
  readonly ttlMs: number;
  readonly log: Logger;
}

const betweenMs = 60_000;
/** A recording is stored just before its task is. */
const youngMs = 600_000;
const chunk = 100;

/** Now and then regularly, until disposal, which waits for the one under way. */
export function sweepRegularly(options: SweepOptions): AsyncDisposable {
  let ended = false;
  let wake = () => {};
  const run = async () => {
    while (!ended) {
      await sweep(options).catch((error) => options.log.warn("Tasks could not be cleared up", { error }));
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      // Processes that were started together do not stay together.
      const timer = setTimeout(resolve, betweenMs * (0.75 + Math.random() / 2));
      if (!ended) await promise;
      clearTimeout(timer);
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]() {
      ended = true;
      wake();
      return running;
    },
  };
}

/** Once. Any number of processes may do it at the same time. */
export async function sweep({ tasks, jobs, blobs, watchers, ttlMs, log }: SweepOptions): Promise<void> {
  for (let after: string | undefined; ; ) {
    const page = await tasks.unfinished(chunk, after);
    for (const { id } of page) await jobs.add("transcription", id);
    after = page.at(-1)?.id;
    if (page.length < chunk) break;
  }

  let expired = 0;
  for (;;) {
    const page = await tasks.endedBefore(Date.now() - ttlMs, chunk);
    for (const { id, blob } of page) {
      await blobs.remove(blob);
      await watchers.removed(id);
      await tasks.remove(id);
    }
    expired += page.length;
    if (page.length < chunk) break;
  }

  let orphans = 0;
  for (const key of await blobs.olderThan(youngMs)) {
    const task = await tasks.find(key);
    if (task && !hasEnded(task.status)) continue;
    await blobs.remove(key);
    orphans += 1;
  }
  if (expired + orphans > 0) log.info("tasks cleared up", { expired, orphans });
}
