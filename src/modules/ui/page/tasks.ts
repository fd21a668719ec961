/** The server's tasks: what goes on, or waits to be read, without this page. */
import { signal } from "@preact/signals";
import { hasEnded, type TaskStatus } from "../../../core/task.ts";
import type { Segment } from "../../../core/transcript.ts";
import { brokenOff, getJson, listen, Refusal, request } from "./api.ts";
import type { Recording } from "./recording.ts";
import { type StreamEvent, segmentOf, type WireError, type WireSegment } from "./wire.ts";

export interface Task {
  readonly task_id: string;
  readonly filename: string | null;
  readonly status: TaskStatus;
  /** 0..1 */
  readonly progress: number;
  /** Unix seconds. */
  readonly created_at: number;
  /** Seconds of audio; null until it was read. */
  readonly duration: number | null;
  /** Its English name; null until the task is completed. */
  readonly language: string | null;
  readonly error: WireError | null;
}

interface TaskPage {
  readonly data: readonly Task[];
  readonly has_more: boolean;
  /** Tasks of this caller that may wait or run; 0: none are taken. */
  readonly max_active: number;
}

interface Page extends Task {
  readonly segments: readonly WireSegment[];
  readonly has_more: boolean;
}

const url = "v1/audio/transcriptions";
const pathOf = (taskId: string) => `${url}/${encodeURIComponent(taskId)}`;
const shown = 20;
const refreshMs = 2000;

/** The newest; null: this server has none to show. */
export const tasks = signal<readonly Task[] | null>(null);
/** Whether the server takes tasks of this caller. */
export const takesTasks = signal(false);
export const hasMoreTasks = signal(false);

let timer: ReturnType<typeof setTimeout> | undefined;
export const isActive = ({ status }: Task) => !hasEnded(status);

/** Asks for the list, and again while something in it goes on and somebody looks. Never throws. */
export async function refreshTasks(): Promise<void> {
  clearTimeout(timer);
  try {
    const list = await getJson<TaskPage>(`${url}?limit=${shown}`);
    takesTasks.value = list.max_active > 0;
    tasks.value = list.data;
    hasMoreTasks.value = list.has_more;
  } catch (error) {
    // Without an answer the list stays as it was; a server that refuses has none to show.
    if (error instanceof Refusal && error.status >= 400 && error.status < 500) {
      tasks.value = null;
      takesTasks.value = false;
    }
  }
  if (tasks.value?.some(isActive) && document.visibilityState === "visible")
    timer = setTimeout(refreshTasks, refreshMs);
}

/** Cancels a task that has not ended. Throws Refusal. */
export const cancelTask = (taskId: string) => end(taskId, false);

/** Throws Refusal. */
export const removeTask = (taskId: string) => end(taskId, true);

async function end(taskId: string, remove: boolean): Promise<void> {
  await request(`${pathOf(taskId)}?remove=${remove}`, { method: "DELETE" });
  await refreshTasks();
}

/** Reads what the server tells of a task while it goes on. Throws Refusal. */
export async function followTask(recording: Recording, taskId: string): Promise<void> {
  const { signal } = recording.abort;
  recording.taskId.value = taskId;
  recording.phase.value = "waiting";
  const take = (event: StreamEvent) => {
    // Only tasks in verbose_json tell their segments here; those of others are read when they have ended.
    const isBare = event.type === "transcript.text.done" && recording.segments.value.length === 0;
    if (!isBare) recording.take(event);
  };
  await listen(`${pathOf(taskId)}/events`, take, signal).catch((error) => {
    if (error.message !== brokenOff) throw error; // what became of it, the task says
  });
  void refreshTasks();
  if (recording.isUnfinished.value) await readTask(recording, taskId);
}

/** Reads a task that has ended, page by page. Throws Refusal, also for one that failed. */
export async function readTask(recording: Recording, taskId: string): Promise<void> {
  const { signal } = recording.abort;
  recording.taskId.value = taskId;
  recording.phase.value = "working";
  const segments: Segment[] = [];
  for (let page = 1; ; page += 1) {
    const found = await getJson<Page>(`${pathOf(taskId)}?page=${page}&page_size=200`, signal);
    if (isActive(found)) throw new Refusal(brokenOff);
    if (found.status === "failed") throw new Refusal(found.error?.message ?? "The server could not do it.");
    segments.push(...found.segments.map(segmentOf));
    recording.segments.value = [...segments];
    recording.running.value = "";
    recording.language.value = found.language ?? "";
    recording.durationMs.value = Math.round((found.duration ?? 0) * 1000);
    if (found.status === "cancelled") return recording.end("cancelled");
    if (!found.has_more || found.segments.length === 0) break;
  }
  recording.heard.value = 1;
  recording.end("done");
}
