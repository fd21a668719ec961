/** Async tasks. A record says what is to be done and how far it is; its events are the transcript as far as it is known. */

export type TaskStatus = "queued" | "running" | "completed" | "failed" | "cancelled";

/** What layer 2 has to say about a failure: OpenAI's error object. */
export interface TaskError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}

export interface NewTask {
  /** Unguessable. */
  readonly id: string;
  /** Who made it: nobody else sees it. */
  readonly caller: string;
  readonly createdAtMs: number;
  /** What is to be done, as JSON that the layers above write and read. */
  readonly request: string;
  /** Key of the recording among the blobs. */
  readonly blob: string;
}

export interface Task extends NewTask {
  readonly status: TaskStatus;
  /** How often it was begun; fences: only the last attempt may write. */
  readonly attempt: number;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  readonly doneMs: number;
  /** Length of the recording; 0 until it is known. */
  readonly totalMs: number;
  /** Events that are stored. */
  readonly events: number;
  /** null unless it has failed. */
  readonly error: TaskError | null;
}

export interface TaskPage {
  readonly status?: TaskStatus;
  /** Id of a task of the same caller: older ones follow. */
  readonly after?: string;
  readonly limit: number;
}

export interface Progress {
  readonly doneMs: number;
  readonly totalMs: number;
}

export type Outcome =
  | { readonly status: "completed" }
  | { readonly status: "failed"; readonly error: TaskError };

export interface Tasks {
  create(task: NewTask): Promise<void>;
  find(id: string): Promise<Task | null>;
  /** Newest first. */
  list(caller: string, page: TaskPage): Promise<readonly Task[]>;
  /** queued or running -> running, as a new attempt. null: it has ended, or is gone. */
  begin(id: string, atMs: number): Promise<Task | null>;
  /**
   * Replaces the events from `index` on by `events` (JSON each; an empty list only reports progress). false, and nothing written: the
   * attempt is not the current one, or the task has ended: stop working on it.
   */
  append(
    id: string,
    attempt: number,
    index: number,
    events: readonly string[],
    progress: Progress,
  ): Promise<boolean>;
  /** running -> its outcome. false as with append: exactly one outcome is ever stored. */
  finish(id: string, attempt: number, outcome: Outcome, atMs: number): Promise<boolean>;
  /** queued or running -> cancelled; the record as it is now, null when it is gone. */
  cancel(id: string, atMs: number): Promise<Task | null>;
  /** The record and its events. Idempotent. */
  remove(id: string): Promise<void>;
  /** Stored events from `index` on, at most `limit`. */
  events(id: string, index: number, limit: number): Promise<readonly string[]>;
  /** Tasks that ended before that time: to be removed. */
  endedBefore(atMs: number, limit: number): Promise<readonly Task[]>;
  /** Tasks that have not ended: each must have a job. */
  unfinished(limit: number, after?: string): Promise<readonly Task[]>;
}
