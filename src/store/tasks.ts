/** Async tasks. A record says what is to be done and how far it is; its segments are the transcript as far as it is known. */

import type { TaskError, TaskStatus } from "../core/task.ts";

export interface NewTask {
  /** Unguessable. Ids sort by time: lists and cursors go by them alone. */
  readonly id: string;
  /** Who made it: nobody else sees it. */
  readonly caller: string;
  readonly createdAtMs: number;
  /** What is to be done, as JSON that the layers above write and read. */
  readonly request: string;
  /** Key of the recording among the blobs. */
  readonly blob: string;
  /** Room that recording and request take. */
  readonly bytes: number;
}

/** What is known of a recording while it is transcribed. */
export interface Progress {
  /** Of the recording. */
  readonly durationMs: number;
  readonly channels: number;
  /** Of the part that is transcribed. */
  readonly doneMs: number;
  readonly totalMs: number;
}

export interface Task extends NewTask, Progress {
  readonly status: TaskStatus;
  /** How often it was begun; fences: only the last attempt may write. */
  readonly attempt: number;
  /** How often it was begun while it was running: whoever ran it has died, or was taken for dead. */
  readonly losses: number;
  /** When it was begun first. */
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  /** Segments that are stored. */
  readonly segments: number;
  /** What was spoken; null until it is completed. */
  readonly language: string | null;
  /** null unless it has failed. */
  readonly error: TaskError | null;
}

/** Bounds of what waits and runs. */
export interface TaskLimits {
  /** Tasks of one caller. */
  readonly perCaller: number;
  /** Of all tasks together. */
  readonly maxBytes: number;
}

export interface TaskPage {
  readonly status?: TaskStatus;
  /** Older ones than the task of this id follow; it need not exist any more. */
  readonly after?: string;
  readonly limit: number;
}

export type Outcome =
  | { readonly status: "completed"; readonly language: string }
  | { readonly status: "failed"; readonly error: TaskError };

export interface Tasks {
  /** Durable when it resolves. Nothing is stored unless it says created: then a limit would be passed. */
  create(task: NewTask, limits: TaskLimits): Promise<"created" | "too many" | "too large">;
  find(id: string): Promise<Task | null>;
  /** Newest first. */
  list(caller: string, page: TaskPage): Promise<readonly Task[]>;
  /** queued or running -> running, as a new attempt. null: it has ended, or is gone. */
  begin(id: string, atMs: number): Promise<Task | null>;
  /**
   * Replaces the segments from `index` on by `segments` (JSON each; an empty list at the end only reports progress). false, and
   * nothing written: the attempt is not the current one, or the task has ended: stop working on it.
   */
  append(
    id: string,
    attempt: number,
    index: number,
    segments: readonly string[],
    progress: Progress,
  ): Promise<boolean>;
  /** running -> its outcome. false as with append: exactly one outcome is ever stored. */
  finish(id: string, attempt: number, outcome: Outcome, atMs: number): Promise<boolean>;
  /** running -> queued, to be begun again later. false as with append. */
  giveBack(id: string, attempt: number): Promise<boolean>;
  /** queued or running -> cancelled. The record as it is then, in whatever status; null when it is gone. */
  cancel(id: string, atMs: number): Promise<Task | null>;
  /** The record and its segments. Idempotent. */
  remove(id: string): Promise<void>;
  /** Stored segments from `index` on, at most `limit`. */
  segments(id: string, index: number, limit: number): Promise<readonly string[]>;
  /** Tasks that ended before that time, the earliest first, without the first `skip`: to be removed. */
  endedBefore(atMs: number, limit: number, skip?: number): Promise<readonly Task[]>;
  /** Tasks that have not ended, by id: each must have a job. */
  unfinished(limit: number, after?: string): Promise<readonly Task[]>;
}
