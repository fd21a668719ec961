/** How far a download is, for people: one line that changes in a terminal, a line every ten percent elsewhere. */
import type { DownloadProgress } from "./download.ts";

/** Where it is written: stderr fits. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const redrawMs = 100;

/** Returns the `onProgress` of one download. */
export function progressBar(
  name: string,
  output: ProgressOutput = process.stderr,
): (progress: DownloadProgress) => void {
  let drawnMs = Number.NEGATIVE_INFINITY;
  let tenths = 0;
  return (progress) => {
    const isDone = progress.doneBytes >= progress.totalBytes;
    if (output.isTTY === true) {
      if (!isDone && performance.now() - drawnMs < redrawMs) return;
      drawnMs = performance.now();
      const line = describe(name, progress).slice(0, (output.columns || 80) - 1);
      output.write(`\r${line}\x1b[K${isDone ? "\n" : ""}`);
    } else if (Math.floor((10 * progress.doneBytes) / progress.totalBytes) > tenths) {
      tenths = Math.floor((10 * progress.doneBytes) / progress.totalBytes);
      output.write(`${describe(name, progress)}\n`);
    }
  };
}

/** e.g. "base  42 %  59.3 of 141.1 MiB  12.1 MiB/s  7 s left" */
function describe(name: string, { doneBytes, totalBytes, bytesPerSecond }: DownloadProgress): string {
  const percent = Math.floor((100 * doneBytes) / totalBytes);
  const amount = `${mebi(doneBytes)} of ${mebi(totalBytes)} MiB`;
  const left = bytesPerSecond > 0 ? `  ${time((totalBytes - doneBytes) / bytesPerSecond)} left` : "";
  return `${name}  ${percent} %  ${amount}  ${mebi(bytesPerSecond)} MiB/s${doneBytes < totalBytes ? left : ""}`;
}

const mebi = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

function time(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 120 ? `${whole} s` : `${Math.ceil(whole / 60)} min`;
}
