/** One run that any number of listeners read, each at its own pace and from the start. */
import { AppError } from "../core/errors.ts";
import type { Priority } from "../core/options.ts";
import type { TranscriptEvent } from "../core/transcript.ts";

/** Begins the run; `signal` fires when nobody listens any more. */
export type StartRun = (signal: AbortSignal) => Promise<AsyncIterable<TranscriptEvent>>;

/**
 * It is read as fast as it goes, whether or not anybody keeps up: what is held in memory is its list of events, once. It stops when
 * its last listener has left.
 */
export class SharedRun {
  /** All events, when it has succeeded; null when it has failed or was left. */
  readonly result: Promise<readonly TranscriptEvent[] | null>;

  private readonly events: TranscriptEvent[] = [];
  private readonly begun = Promise.withResolvers<void>();
  private readonly left = new AbortController();
  private readonly waiting = new Set<() => void>();
  private listeners = 0;
  private end: { readonly error?: unknown } | null = null;

  constructor(
    readonly priority: Priority,
    start: StartRun,
  ) {
    this.begun.promise.catch(() => {}); // told to whoever listens
    this.result = this.follow(start);
  }

  /** Whether another one may listen. */
  get isOpen(): boolean {
    return !this.left.signal.aborted && !(this.end && "error" in this.end);
  }

  /**
   * Listens until `signal` fires, or the iterable is left or at its end. Settles when the run has begun, or has failed to; not before,
   * though `signal` fires: what the run begins with must stay until then.
   */
  async listen(signal: AbortSignal): Promise<AsyncIterable<TranscriptEvent>> {
    this.listeners += 1;
    let listens = true;
    const leave = () => {
      if (!listens) return;
      listens = false;
      signal.removeEventListener("abort", leave);
      this.listeners -= 1;
      if (this.listeners === 0 && !this.end) this.left.abort(signal.reason);
      this.wake();
    };
    signal.addEventListener("abort", leave);
    if (signal.aborted) leave();
    try {
      await this.begun.promise;
    } catch (error) {
      leave();
      throw signal.aborted ? AppError.cancelled(signal) : error;
    }
    return this.read(signal, leave);
  }

  private async *read(signal: AbortSignal, leave: () => void): AsyncGenerator<TranscriptEvent> {
    try {
      for (let index = 0; ; index += 1) {
        while (index === this.events.length && !this.end && !signal.aborted) await this.change();
        if (signal.aborted) throw AppError.cancelled(signal);
        const event = this.events[index];
        if (event) yield event;
        else if (this.end && "error" in this.end) throw this.end.error;
        else return;
      }
    } finally {
      leave();
    }
  }

  private async follow(start: StartRun): Promise<readonly TranscriptEvent[] | null> {
    try {
      const events = await start(this.left.signal);
      this.begun.resolve();
      for await (const event of events) {
        this.events.push(event);
        this.wake();
      }
      this.end = {};
      return this.events;
    } catch (error) {
      this.end = { error };
      this.begun.reject(error);
      return null;
    } finally {
      this.wake();
    }
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiting.add(resolve));
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
