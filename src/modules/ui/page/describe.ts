/** Where a recording is, in words. */
import { languageName } from "../../../core/languages.ts";
import type { Recording } from "./recording.ts";
import { clock, counted, percent } from "./times.ts";

/** One short line. */
export function describe(recording: Recording): string {
  const { phase, sent, heard, durationMs, segments, taskId } = recording;
  switch (phase.value) {
    case "waiting":
      return taskId.value === null ? "Waiting" : "Waiting on the server";
    case "uploading":
      return `Uploading, ${percent(sent.value)}`;
    case "listening":
      return "Listening";
    case "working":
      return heard.value > 0
        ? `Transcribing, ${clock(heard.value * durationMs.value)} of ${clock(durationMs.value)}`
        : "Transcribing";
    case "failed":
      return "Failed";
    case "cancelled":
      return segments.value.length > 0 ? "Cancelled; this was heard" : "Cancelled";
    case "done":
      return [clock(durationMs.value), spoken(recording)].filter((part) => part !== "").join(" · ");
  }
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const spoken = ({ language }: Recording) => capital(languageName(language.value));

/** What is said of one that is done: how much text, how fast. */
export function summary(recording: Recording): string {
  const { durationMs, text, startedAt, endedAt } = recording;
  const words = text.value.split(/\s+/).filter((word) => word !== "").length;
  const tookMs = endedAt - startedAt;
  const parts = [describe(recording), counted(words, "word")];
  // A task may have been done long before it is read.
  if (recording.taskId.value === null && startedAt > 0 && tookMs > 0) {
    const speed = durationMs.value / tookMs;
    parts.push(`${(tookMs / 1000).toFixed(1)} s${speed >= 2 ? `, ${Math.round(speed)}× real time` : ""}`);
  }
  return parts.join(" · ");
}

/** For screen readers, at each change of phase: never while text grows. */
export function announcement(recording: Recording | null): string {
  if (!recording) return "";
  const { name, phase } = recording;
  const said = {
    waiting: `${name} is waiting`,
    uploading: `Uploading ${name}`,
    working: `Transcribing ${name}`,
    listening: "Listening. Speak now",
    done: `${name} is done: ${counted(recording.text.peek().split(/\s+/).filter(Boolean).length, "word")}`,
    failed: "", // the alert says it
    cancelled: `${name} was cancelled`,
  };
  return said[phase.value];
}
