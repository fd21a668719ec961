/** What a task is to do and how it is to look, as text in its record. */
import type { CallerLimits } from "../core/caller.ts";
import type { View } from "../core/formats.ts";
import { defaultOptions, type Options } from "../core/options.ts";
import type { Task } from "../store/tasks.ts";

export interface TaskRequest {
  /** Id of the model. */
  readonly model: string;
  readonly options: Options;
  /** How its transcript is shown unless something else is asked for. */
  readonly view: View;
  /** Of the recording, as the client calls it: for the client, never for paths. Empty: it has no name. */
  readonly filename: string;
  /** Of the recording. */
  readonly sha256: string;
  /** What the caller may ask for: the audio is charged when it is transcribed. */
  readonly limits: CallerLimits;
  /** Of the HTTP request, for the log. */
  readonly requestId: string;
  /** Of its span: those of the task continue the trace. null: there is none. */
  readonly traceparent: string | null;
}

export const writeRequest = (request: TaskRequest): string => JSON.stringify(request);

/** A record may be older than this program: what it does not have yet gets its default. */
export function requestOf(task: Task): TaskRequest {
  const { options, ...request } = JSON.parse(task.request) as TaskRequest;
  return { ...request, filename: request.filename ?? "", options: { ...defaultOptions, ...options } };
}

/** Where the task comes from, for log and traces. Never throws. */
export function originOf(task: Task): Pick<TaskRequest, "requestId" | "traceparent"> {
  try {
    const { requestId, traceparent } = requestOf(task);
    return { requestId, traceparent };
  } catch {
    return { requestId: "", traceparent: null };
  }
}
