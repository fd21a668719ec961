/** Puts right what crashes left: tasks without a job, recordings without a task, and results that have had their time. */
import { AppError } from "../core/errors.ts";
import { nextTurn } from "../core/next-turn.ts";
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
  readonly watchers: Pick<TaskWatchers, "isWaiting" | "removed">;
  /** Ended tasks are removed after this time, and when everybody was told. */
  readonly ttlMs: number;
  readonly log: Logger;
}

/** At most; results that are kept for less time are looked for more often. */
const betweenMs = 300_000;
/** After a failure; it doubles with each. */
const firstPauseMs = 500;
/** A recording is stored just before its task is. */
const youngMs = 600_000;
const chunk = 100;

/** Now and then regularly, until disposal, which waits for the one under way. */
export function sweepRegularly(options: SweepOptions): AsyncDisposable {
  const stop = new AbortController();
  const run = async () => {
    for (let failures = 0; !stop.signal.aborted; ) {
      try {
        await sweep(options);
        failures = 0;
      } catch (error) {
        failures += 1;
        // That the store is away is told by the store.
        if (AppError.from(error).code !== "store_unavailable")
          options.log.warn("Tasks could not be cleared up", { error });
      }
      const usualMs = Math.min(betweenMs, options.ttlMs);
      const pauseMs = failures === 0 ? usualMs : Math.min(usualMs, firstPauseMs * 2 ** (failures - 1));
      // Processes that were started together do not stay together.
      await pause(pauseMs * (0.75 + Math.random() / 2), stop.signal);
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]() {
      stop.abort();
      return running;
    },
  };
}

/** Resolves after that time, or when `signal` fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  if (signal.aborted) resolve();
  return promise.finally(() => clearTimeout(timer));
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
  let kept = 0;
  for (;;) {
    const page = await tasks.endedBefore(Date.now() - ttlMs, chunk, kept);
    for (const { id, blob } of page) {
      await blobs.remove(blob);
      if (await watchers.isWaiting(id)) {
        kept += 1;
        continue;
      }
      await watchers.removed(id);
      await tasks.remove(id);
      expired += 1;
    }
    if (page.length < chunk) break;
    // An embedded store answers at once: requests would wait for all of it.
    await nextTurn();
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
