/** Work that must be done once, by whichever worker takes it, also after a crash. A job is a name only: what to do is in a record. */
import type { Logger } from "../log.ts";

/** transcription: id of a task. delivery: id of a delivery of a webhook. */
export type JobKind = "transcription" | "delivery";

export interface Job {
  readonly id: string;
  /** 1 for the first time; counts times that it was begun, those that a crash ended among them. */
  readonly attempt: number;
  /** Fires when the worker stops or the job was taken away: leave soon. What was done is done again by another. */
  readonly signal: AbortSignal;
}

/** undefined: it is done. A time: it is to be done again then. */
export type JobResult = { readonly againInMs: number } | undefined;

export type JobHandler = (job: Job) => Promise<JobResult>;

export interface Worker {
  /** Takes no more jobs, aborts those that run after `graceMs`, gives them back to the queue, resolves when all have left. */
  close(graceMs: number): Promise<void>;
}

export interface JobQueue {
  /** Durable when it resolves. A job of that kind and id that waits or runs already stays as it is. */
  add(kind: JobKind, id: string, delayMs?: number): Promise<void>;
  /** Forgets a job that waits; one that runs is not disturbed (its signal is not fired). */
  remove(kind: JobKind, id: string): Promise<void>;
  /** Jobs that wait, delayed ones among them, and that run. */
  count(kind: JobKind): Promise<{ readonly waiting: number; readonly running: number }>;
  /**
   * Has `handle` do jobs, at most `concurrency` at a time in this process, in the order of their times. A job whose worker dies
   * is done by another after a lease has run out. When `handle` throws, the job is tried again later, with growing pauses; it has
   * to judge by `attempt` itself when to give up.
   */
  work(kind: JobKind, concurrency: number, handle: JobHandler): Worker;
}

/** What a queue gives its workers: what JobQueue.work() was asked for, and where they belong. */
export interface WorkerOptions {
  readonly kind: JobKind;
  readonly concurrency: number;
  readonly handle: JobHandler;
  readonly log: Logger;
  /** Called once, as the last. */
  readonly onClose: () => void;
}

const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/** After a handler has thrown at that attempt: doubles each time, and a part of it is random so that jobs that failed together part. */
export function retryPauseMs(attempt: number): number {
  const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(attempt - 1, 16), longestPauseMs);
  return pauseMs * (0.5 + Math.random() / 2);
}
