/** Writes what a run says into the record of its task. One write at a time, with all that has come meanwhile. */
import { AppError } from "../core/errors.ts";
import { writeSegment } from "../core/segment-json.ts";
import type { Outcome, Progress, Task, Tasks } from "../store/tasks.ts";
import type { Correction } from "./resumption.ts";

const firstPauseMs = 100;
const longestPauseMs = 2000;

export interface WriterOptions {
  readonly tasks: Tasks;
  /** As begin() gave it. */
  readonly task: Task;
  /** While it has not fired, a write that the store cannot take is tried again. */
  readonly signal: AbortSignal;
  /** Called after each write. */
  readonly written: () => void;
  /** The attempt is not the current one any more: nothing can be written. Called once. */
  readonly lost: () => void;
}

export class TaskWriter {
  private progress: Progress;
  private pending: Correction | null = null;
  private isDirty = false;
  private writing: Promise<void> | null = null;
  private failure: unknown = null;
  private isLost = false;

  constructor(private readonly options: WriterOptions) {
    const { durationMs, channels, doneMs, totalMs } = options.task;
    this.progress = { durationMs, channels, doneMs, totalMs };
    this.count = options.task.segments;
  }

  /** Segments in the store when all that is pending is written. */
  private count: number;

  tell(progress: Partial<Progress>): void {
    this.progress = { ...this.progress, ...progress };
    this.write();
  }

  correct(correction: Correction): void {
    const { pending } = this;
    this.pending =
      pending && correction.index >= pending.index
        ? {
            index: pending.index,
            segments: [
              ...pending.segments.slice(0, correction.index - pending.index),
              ...correction.segments,
            ],
          }
        : correction;
    this.count = correction.index + correction.segments.length;
    this.write();
  }

  /** Resolves when everything is stored. Throws what a write threw; false when the attempt is lost. */
  async flush(): Promise<boolean> {
    while (this.writing) await this.writing;
    if (this.failure) throw this.failure;
    return !this.isLost;
  }

  /** Stores the outcome, last. false: the attempt is lost. */
  async finish(outcome: Outcome): Promise<boolean> {
    if (!(await this.flush())) return false;
    const { tasks, task } = this.options;
    const done = await this.again(() => tasks.finish(task.id, task.attempt, outcome, Date.now()));
    this.options.written();
    return done;
  }

  private write(): void {
    if (this.failure || this.isLost) return;
    this.isDirty = true;
    this.writing ??= this.writeAll()
      .catch((error) => {
        this.failure = error;
      })
      .finally(() => {
        this.writing = null;
        if (this.isDirty) this.write();
      });
  }

  private async writeAll(): Promise<void> {
    const { tasks, task, written, lost } = this.options;
    // What comes in the same moment is one write.
    await Promise.resolve();
    while (this.isDirty) {
      const { index, segments } = this.pending ?? { index: this.count, segments: [] };
      const { progress } = this;
      this.pending = null;
      this.isDirty = false;
      const texts = segments.map(writeSegment);
      if (!(await this.again(() => tasks.append(task.id, task.attempt, index, texts, progress)))) {
        this.isLost = true;
        return lost();
      }
      written();
    }
  }

  private async again<T>(act: () => Promise<T>): Promise<T> {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        return await act();
      } catch (error) {
        const isPassing = error instanceof AppError && error.code === "store_unavailable";
        if (!isPassing || this.options.signal.aborted) throw error;
        await Bun.sleep(pauseMs);
      }
    }
  }
}
