/** The recordings of this visit: sent one after the other, in the order in which they were added. */
import { signal } from "@preact/signals";
import { upload } from "./api.ts";
import { Recording } from "./recording.ts";
import { fieldsOf, options } from "./settings.ts";
import { cancelTask, followTask, refreshTasks, takesTasks } from "./tasks.ts";

/** Those that were added last first. */
export const recordings = signal<readonly Recording[]>([]);
/** What the reader shows. */
export const selected = signal<Recording | null>(null);

const waiting: Recording[] = [];
let isSending = false;

export function add(files: Iterable<File>): void {
  const added = [...files].map((file) => new Recording(file.name, options.value, file));
  recordings.value = [...added, ...recordings.value];
  // The one that is sent first is read first.
  selected.value = added[0] ?? selected.value;
  waiting.push(...added);
  void sendAll();
}

/** Puts a recording into the list and before the reader. */
export function show(recording: Recording): void {
  if (!recordings.value.includes(recording)) recordings.value = [recording, ...recordings.value];
  selected.value = recording;
}

export function remove(recording: Recording): void {
  cancel(recording);
  const at = recordings.value.indexOf(recording);
  recordings.value = recordings.value.filter((other) => other !== recording);
  if (selected.value === recording)
    selected.value = recordings.value[Math.min(at, recordings.value.length - 1)] ?? null;
}

/** Of a task, too: the server stops it. */
export function cancel(recording: Recording): void {
  if (!recording.isUnfinished.value) return;
  const taskId = recording.taskId.value;
  recording.cancel();
  if (taskId !== null) cancelTask(taskId).catch(() => {}); // it ends by itself
}

/** Transcribes what there is once more, with the options of now. */
export function again(recording: Recording): void {
  const audio = recording.audio.value;
  if (audio === null) return;
  const next = new Recording(recording.name, options.value, audio);
  recordings.value = recordings.value.map((other) => (other === recording ? next : other));
  selected.value = next;
  waiting.push(next);
  void sendAll();
}

async function sendAll(): Promise<void> {
  if (isSending) return;
  isSending = true;
  for (;;) {
    const recording = waiting.shift();
    if (!recording) break;
    if (recording.isUnfinished.value) await send(recording).catch((error) => recording.fail(error));
  }
  isSending = false;
}

/** Throws what `recording` is to tell. */
async function send(recording: Recording): Promise<void> {
  const { translate, background } = recording.options;
  const audio = recording.audio.value;
  if (audio === null) return;
  const isTask = background && takesTasks.value;
  const form = new FormData();
  for (const [name, value] of fieldsOf(recording.options)) form.append(name, value);
  form.append(isTask ? "async" : "stream", "true");
  form.append("file", audio, recording.name);
  const body = await upload({
    path: translate ? "v1/audio/translations" : "v1/audio/transcriptions",
    form,
    signal: recording.abort.signal,
    onSent: (part) => recording.progress(part),
    onEvent: (event) => recording.take(event),
  });
  if (!isTask) return;
  const { task_id: taskId } = JSON.parse(body) as { task_id: string };
  void refreshTasks();
  // The queue does not wait for it: the server has a queue of its own.
  followTask(recording, taskId).catch((error) => recording.fail(error));
}
