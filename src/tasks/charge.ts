/** What a task's audio costs its caller: once, however often it is begun. A record that knows the recording's length was charged. */
import type { AudioAllowance } from "../core/limits.ts";
import type { Task } from "../store/tasks.ts";

export class Charge implements AudioAllowance {
  private takenMs = 0;
  private unusedMs = 0;
  private isOver = false;

  /** `taken` is told what is to be stored; `task` as it was begun. */
  constructor(
    private readonly task: Pick<Task, "durationMs" | "segments">,
    private readonly allowance: AudioAllowance,
    private readonly taken: (durationMs: number) => void,
  ) {}

  async admit(durationMs: number): Promise<void> {
    if (this.task.durationMs > 0) return;
    await this.allowance.admit(durationMs);
    this.takenMs = durationMs;
    this.taken(durationMs);
  }

  /** The run has said nothing. Another one may still do the task, for what was taken. */
  refund(durationMs: number): void {
    this.unusedMs = durationMs;
    if (this.isOver) this.give(durationMs);
  }

  /** It could not be stored that this attempt has taken something: the next one takes it again. */
  forget(): void {
    this.give(this.takenMs);
  }

  /** The task has ended without success: what nothing has come of is given back. */
  end(): void {
    this.isOver = true;
    this.give(this.unusedMs);
  }

  private give(durationMs: number): void {
    if (durationMs > 0 && this.task.segments === 0) this.allowance.refund(durationMs);
  }
}
