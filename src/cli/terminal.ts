/** What a person sees while something is done: lines that stay, text as it comes, and one line that changes. */
import { createLogUpdate } from "log-update";
import type { Logger } from "../log.ts";

const redrawMs = 200;

/** Results, on stdout. Says when the reader is slower than we are. */
export async function printResult(text: string): Promise<void> {
  const accepted = process.stdout.write(text);
  if (!accepted) await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
}

/** A sentence beside the results, on stderr. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** Of a command: warnings and errors are sentences, the rest is for servers. */
export const commandLog: Logger = {
  debug() {},
  info() {},
  warn: (message) => say(`Warning: ${message}`),
  error: (message, fields) => say(`${message}${fields?.error ? `: ${fields.error}` : ""}`),
};

/** What came from elsewhere must not steer the terminal. */
const harmless = (text: string): string => text.replace(/(?!\n)\p{Cc}/gu, " ");

/**
 * A terminal's last lines: text that is still being written, and under it a status line that is drawn again and again. Lines of
 * text that are complete go to stdout. Without a terminal on stderr there is no status, without one on stdout no text.
 */
export class Display {
  private readonly live = process.stderr.isTTY ? createLogUpdate(process.stderr) : null;
  private readonly timer: ReturnType<typeof setInterval> | null;
  private status: () => string = () => "";
  /** Of the text, what is not a complete line. */
  private partial = "";
  readonly showsText = process.stdout.isTTY === true;

  constructor() {
    this.timer = this.live && setInterval(() => this.draw(), redrawMs);
    this.timer?.unref();
  }

  /** `status` is asked whenever the line is drawn. */
  show(status: () => string): void {
    this.status = status;
    this.draw();
  }

  /** Text for stdout, as it comes; broken at words where the terminal ends. For terminals only. */
  write(text: string): void {
    if (!this.showsText) return;
    if (!this.live) {
      process.stdout.write(harmless(text));
      return;
    }
    const width = (process.stdout.columns || 80) - 1;
    const lines = Bun.wrapAnsi(this.partial + harmless(text), width, { trim: false }).split("\n");
    const last = lines.pop() ?? "";
    this.partial = lines.length > 0 ? last.trimStart() : last;
    if (lines.length > 0) {
      this.live.clear();
      process.stdout.write(lines.map((line) => `${line.trimEnd()}\n`).join(""));
    }
    this.draw();
  }

  /** Ends the line of text. */
  endText(): void {
    if (this.partial !== "") this.write("\n");
  }

  /** Makes room for what is written otherwise. */
  clear(): void {
    this.live?.clear();
  }

  /** A line for people that stays. */
  say(line: string): void {
    this.live?.clear();
    say(line);
    this.draw();
  }

  /** Removes the status line. Text of a line that was not finished stays. Idempotent. */
  close(): void {
    this.endText();
    if (this.timer) clearInterval(this.timer);
    this.status = () => "";
    this.live?.clear();
    this.live?.done();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private draw(): void {
    if (!this.live) return;
    const status = this.status();
    const lines = [this.partial, status].filter((line) => line !== "");
    if (lines.length === 0) this.live.clear();
    else this.live(lines.join("\n"));
  }
}
