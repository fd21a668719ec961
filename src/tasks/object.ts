/** A task as the API shows it. */
import { fraction, seconds, unixSeconds } from "../core/formats.ts";
import { languageName } from "../core/languages.ts";
import type { Task } from "../store/tasks.ts";
import { requestOf } from "./request.ts";

export function taskObject(task: Task) {
  const { view, filename } = requestOf(task);
  return {
    id: task.id,
    /** The same again, for clients that look for it. */
    task_id: task.id,
    object: "transcription.task",
    task: view.task,
    /** What the client called the recording; null: nothing. */
    filename: filename || null,
    response_format: view.responseFormat,
    status: task.status,
    progress: progressOf(task),
    /** Of the text, by its English name; null until it is completed. */
    language: task.language && (view.task === "translate" ? "english" : languageName(task.language)),
    /** Seconds; null until the recording was read. */
    duration: task.durationMs > 0 ? seconds(task.durationMs) : null,
    created_at: unixSeconds(task.createdAtMs),
    started_at: unixSeconds(task.startedAtMs),
    finished_at: unixSeconds(task.finishedAtMs),
    error: task.error,
  };
}

const progressOf = ({ status, doneMs, totalMs }: Task): number =>
  status === "completed" ? 1 : totalMs === 0 ? 0 : fraction(doneMs, totalMs);
