/** Events from a source that pushes to a reader that pulls. One reader. */
export class EventQueue<T> {
  private readonly items: T[] = [];
  private wake: (() => void) | null = null;
  private end: { readonly error: unknown } | null = null;

  /** Ignored after the end. */
  push(item: T): void {
    if (this.end) return;
    this.items.push(item);
    this.wake?.();
  }

  /** Ends the iteration after what is queued; with an error, by throwing it. The first call counts. */
  close(error?: unknown): void {
    this.end ??= { error };
    this.wake?.();
  }

  /** Reads to the end; `onLeave` is called when the reader is done, early or not. */
  async *read(onLeave: () => void): AsyncGenerator<T, void, void> {
    try {
      for (;;) {
        while (this.items.length > 0) yield this.items.shift() as T;
        if (this.end) {
          if (this.end.error !== undefined) throw this.end.error;
          return;
        }
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    } finally {
      onLeave();
    }
  }
}
