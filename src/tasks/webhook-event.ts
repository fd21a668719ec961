/** What a receiver is told: that a task has ended, and where the rest is. */
import { unixSeconds } from "../core/formats.ts";
import type { Task } from "../store/tasks.ts";
import { taskObject } from "./object.ts";

/** Ends of tasks have an event each. */
export const eventTypes = [
  "transcription.completed",
  "transcription.failed",
  "transcription.cancelled",
] as const;
export type EventType = (typeof eventTypes)[number];

/** null: the task goes on. */
export function eventOf(task: Pick<Task, "status">): EventType | null {
  return eventTypes.find((type) => type === `transcription.${task.status}`) ?? null;
}

/** Receivers like small bodies: a longer transcript is left out, and the link to it stays. */
const maxTextBytes = 16 * 1024;

const digest = (...parts: string[]) =>
  new Bun.CryptoHasher("sha256").update(parts.join("\n")).digest("hex").slice(0, 32);

/** Of the event: the same for all webhooks of the task, and when it is delivered again. */
const eventId = (task: string, type: EventType) => `evt_${digest("event", task, type)}`;

/** Of its first delivery: the same whoever makes it, and however often. */
export const firstDeliveryId = (webhook: string, type: EventType) => `msg_${digest(webhook, type)}`;

export interface EventBodyOptions {
  readonly task: Task;
  readonly type: EventType;
  /** Before the paths of links; empty: they are relative. */
  readonly publicUrl: string;
  /** The transcript; null: it is not wanted, or there is none. */
  readonly text: string | null;
}

/** The same text for the same task each time. Its shape is OpenAI's event, and has what Standard Webhooks wants. */
export function eventBody({ task, type, publicUrl, text }: EventBodyOptions): string {
  const endedAtMs = task.finishedAtMs ?? task.createdAtMs;
  const url = `${publicUrl}/v1/audio/transcriptions/${task.id}`;
  const fits = text !== null && Buffer.byteLength(JSON.stringify(text)) <= maxTextBytes;
  return JSON.stringify({
    id: eventId(task.id, type),
    object: "event",
    type,
    created_at: unixSeconds(endedAtMs),
    timestamp: new Date(endedAtMs).toISOString(),
    data: {
      ...taskObject(task),
      links: { task: url, result: task.status === "completed" ? `${url}?response_format=json` : null },
      ...(fits ? { result: { text } } : {}),
    },
  });
}
