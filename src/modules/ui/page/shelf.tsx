/** The lists: recordings of this visit, and tasks of the server. */

import { Bar } from "./bar.tsx";
import { describe } from "./describe.ts";
import { Icon } from "./icons.tsx";
import { recordings, remove, selected, show } from "./queue.ts";
import { Recording } from "./recording.ts";
import { options } from "./settings.ts";
import {
  cancelTask,
  followTask,
  hasMoreTasks,
  isActive,
  readTask,
  removeTask,
  type Task,
  tasks,
} from "./tasks.ts";
import { clock, percent } from "./times.ts";

export function Shelf() {
  if (recordings.value.length === 0) return null;
  return (
    <section aria-labelledby="shelf-title">
      <h2 id="shelf-title" class="list-title">
        Recordings
      </h2>
      <ul class="list">
        {recordings.value.map((recording) => (
          <Row key={recording.id} recording={recording} />
        ))}
      </ul>
    </section>
  );
}

function Row({ recording }: { recording: Recording }) {
  const { name, phase, sent, heard, isUnfinished } = recording;
  const part = phase.value === "uploading" ? sent.value : heard.value;
  return (
    <li class="row" data-phase={phase.value}>
      <button
        type="button"
        class="row-main"
        aria-current={selected.value === recording ? "true" : undefined}
        onClick={() => show(recording)}
      >
        <span class="row-name" title={name}>
          {name}
        </span>
        <span class="row-status">{describe(recording)}</span>
        {(phase.value === "uploading" || phase.value === "working") && (
          <Bar part={part} phase={phase.value} />
        )}
      </button>
      <button
        type="button"
        class="button ghost icon-only row-remove"
        aria-label={`${isUnfinished.value ? "Cancel and remove" : "Remove"} ${name}`}
        onClick={() => remove(recording)}
      >
        <Icon name="close" />
      </button>
    </li>
  );
}

const statusNames = {
  queued: "Waiting",
  running: "Transcribing",
  completed: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
} as const;

export function TaskList() {
  const list = tasks.value;
  if (list === null || list.length === 0) return null;
  return (
    <section aria-labelledby="tasks-title">
      <h2 id="tasks-title" class="list-title">
        Tasks on the server
      </h2>
      <ul class="list">
        {list.map((task) => (
          <TaskRow key={task.task_id} task={task} />
        ))}
      </ul>
      {hasMoreTasks.value && <p class="quiet list-more">Older ones are in the API.</p>}
    </section>
  );
}

const nameOf = (task: Task) =>
  task.filename || `Task of ${new Date(task.created_at * 1000).toLocaleString([], when)}`;
const when = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" } as const;

function TaskRow({ task }: { task: Task }) {
  const { status, progress, duration } = task;
  const name = nameOf(task);
  const state = status === "running" ? `${statusNames.running}, ${percent(progress)}` : statusNames[status];
  const withLength = duration ? `${state} · ${clock(duration * 1000)}` : state;
  return (
    <li class="row" data-phase={status}>
      <button type="button" class="row-main" onClick={() => open(task)}>
        <span class="row-name" title={name}>
          {name}
        </span>
        <span class="row-status">
          {status === "failed" && task.error ? `${state}: ${task.error.message}` : withLength}
        </span>
        {status === "running" && <Bar part={progress} phase="working" />}
      </button>
      <button
        type="button"
        class="button ghost icon-only row-remove"
        aria-label={`${isActive(task) ? "Cancel" : "Remove"} ${name}`}
        onClick={() => (isActive(task) ? cancelTask : removeTask)(task.task_id).catch(() => {})}
      >
        <Icon name="close" />
      </button>
    </li>
  );
}

/** Before the reader; one that is there already as it is. */
function open(task: Task): void {
  const known = recordings.value.find(({ taskId }) => taskId.value === task.task_id);
  if (known) {
    show(known);
    return;
  }
  const recording = new Recording(nameOf(task), options.value);
  show(recording);
  const read = isActive(task) ? followTask : readTask;
  read(recording, task.task_id).catch((error) => recording.fail(error));
}
