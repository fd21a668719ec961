/** What a task has made, from the store. */
import { nextTurn } from "../core/next-turn.ts";
import { readSegment } from "../core/segment-json.ts";
import { type Segment, type Transcript, textOf } from "../core/transcript.ts";
import type { Task, Tasks } from "../store/tasks.ts";

/** Read at once, in a few milliseconds: a long recording has some thousand. */
const chunk = 200;

/** All segments that are stored. */
export async function* segmentsOf(tasks: Tasks, task: Task, from = 0): AsyncGenerator<Segment> {
  for (let index = from; index < task.segments; index += chunk) {
    const texts = await tasks.segments(task.id, index, Math.min(chunk, task.segments - index));
    for (const text of texts) yield readSegment(text);
    if (texts.length === 0) return;
    // An embedded store answers at once.
    await nextTurn();
  }
}

/** Of a completed task. */
export async function transcriptOf(tasks: Tasks, task: Task): Promise<Transcript> {
  const segments = await Array.fromAsync(segmentsOf(tasks, task));
  const { durationMs, channels, language } = task;
  return { durationMs, channels, language: language ?? "en", segments, text: textOf(segments) };
}
