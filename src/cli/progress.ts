/** How far something is, in one line: with a bar where it is drawn again, and as plain words in a log. */
import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import type { DownloadProgress } from "../models/download.ts";
import type { Display } from "./terminal.ts";

const redrawMs = 100;
const widestBar = 30;

/** A bar in what is left of a terminal's line beside `rest` characters; "" when that is nothing. `fraction`: 0..1. */
function bar(fraction: number, rest: number): string {
  const width = Math.min(widestBar, (process.stderr.columns || 80) - 2 - rest);
  if (width < 4) return "";
  const done = Math.round(Math.min(1, Math.max(0, fraction)) * width);
  return `${styleText("cyan", "█".repeat(done), { stream: process.stderr })}${"░".repeat(width - done)} `;
}

/** 7:05, 1:02:03 */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** The end of a name that is too long says more than its beginning. */
export const shorten = (name: string, width: number): string =>
  name.length <= width ? name : `…${name.slice(name.length - width + 1)}`;

/** e.g. "talk.mp3  ████░░░░  42 %  12:40 of 30:00  8.1x  2:07 left"; times in seconds. */
export function recordingLine(name: string, doneS: number, totalS: number, elapsedS: number): string {
  const label = shorten(name, 20);
  if (totalS <= 0) return `${label}  ${clock(elapsedS)}`;
  const fraction = doneS / totalS;
  const speed = doneS / Math.max(elapsedS, 0.001);
  const pace = doneS > 0 ? `  ${speed.toFixed(1)}x  ${clock((totalS - doneS) / speed)} left` : "";
  const numbers = `${percent(fraction)}  ${clock(doneS)} of ${clock(totalS)}${pace}`;
  return `${label}  ${bar(fraction, label.length + 2 + numbers.length)}${numbers}`;
}

/** The `onProgress` of a download: a line that changes in a terminal, a line every ten percent elsewhere. */
export function downloadProgress(name: string): (progress: DownloadProgress) => void {
  const live = process.stderr.isTTY ? createLogUpdate(process.stderr) : null;
  let tenths = 0;
  let latest: DownloadProgress;
  let pending: Timer | null = null;
  return (progress) => {
    const fraction = progress.doneBytes / progress.totalBytes;
    latest = progress;
    if (live && fraction >= 1) {
      if (pending) clearTimeout(pending);
      live(downloadLine(name, progress, true));
      live.done();
    } else if (live) {
      // Of what comes together the last is drawn: a connection that stalls must not leave an older line.
      pending ??= setTimeout(() => {
        pending = null;
        live(downloadLine(name, latest, true));
      }, redrawMs);
      pending.unref();
    } else if (Math.floor(10 * fraction) > tenths) {
      tenths = Math.floor(10 * fraction);
      process.stderr.write(`${downloadLine(name, progress, false)}\n`);
    }
  };
}

/** The same on a display, and that a model is loaded: a download may come before. */
export function loadingOn(display: Display, name: string): (progress: DownloadProgress) => void {
  if (!process.stderr.isTTY) return downloadProgress(name);
  const loading = "loading the model";
  let line = loading;
  display.show(() => line);
  return (progress) => {
    line = downloadLine(name, progress, true);
    if (progress.doneBytes < progress.totalBytes) return;
    display.say(line);
    line = loading;
  };
}

/** e.g. "base  42 %  59.3 of 141.1 MiB  12.1 MiB/s  0:07 left" */
function downloadLine(name: string, progress: DownloadProgress, isDrawn: boolean): string {
  const { doneBytes, totalBytes, bytesPerSecond } = progress;
  const fraction = doneBytes / totalBytes;
  const label = shorten(name, 20);
  const amount = `${mebi(doneBytes)} of ${mebi(totalBytes)} MiB  ${mebi(bytesPerSecond)} MiB/s`;
  const isRunning = fraction < 1 && bytesPerSecond > 0;
  const left = isRunning ? `  ${clock(Math.ceil((totalBytes - doneBytes) / bytesPerSecond))} left` : "";
  const numbers = `${percent(fraction)}  ${amount}${left}`;
  return `${label}  ${isDrawn ? bar(fraction, label.length + 2 + numbers.length) : ""}${numbers}`;
}

const percent = (fraction: number) => `${Math.floor(100 * fraction)} %`;
const mebi = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
