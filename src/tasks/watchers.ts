/** Who wants to be told how a task ends. */
import type { Task } from "../store/tasks.ts";

export interface WatcherRequest {
  readonly url: string;
  /** null: one is made. */
  readonly secret: string | null;
}

export interface TaskWatchers {
  /** Before anything is stored. Throws an AppError that names webhook_url or webhook_secret. */
  check(request: WatcherRequest): Promise<void>;
  /** After the record of the task, and before its job: nothing can be missed. */
  register(task: Task, request: WatcherRequest): Promise<void>;
  /**
   * A task has ended. Called at least once for each, and perhaps again, also from another process: must be idempotent. What is
   * promised to those who watch is durable when it resolves.
   */
  ended(task: Task): Promise<void>;
  /** Whether somebody is still to be told of the end of that task: its record and what it has made are needed. */
  isWaiting(taskId: string): Promise<boolean>;
  /** A task is about to be removed, and what belongs to it with it. Idempotent. */
  removed(taskId: string): Promise<void>;
}
