/** The words for an async task that all layers share. */

/** queued -> running -> one of the last three, which are ends. A task that is given back is queued again. */
export const taskStatuses = ["queued", "running", "completed", "failed", "cancelled"] as const;
export type TaskStatus = (typeof taskStatuses)[number];

export const hasEnded = (status: TaskStatus): boolean => status !== "queued" && status !== "running";

/** Why a task has failed: OpenAI's error object. */
export interface TaskError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string;
}
