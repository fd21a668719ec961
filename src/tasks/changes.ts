/** Wakes those in this process who watch a task. Other processes have to look again from time to time. */
export class Changes {
  private readonly watchers = new Map<string, Set<() => void>>();

  /** The task of that id is not what it was. */
  tell(id: string): void {
    for (const wake of this.watchers.get(id) ?? []) wake();
  }

  /** To be called before one looks, so that nothing is missed. */
  watch(id: string): Watch {
    const changed = Promise.withResolvers<void>();
    const all = this.watchers.get(id) ?? new Set();
    this.watchers.set(id, all.add(changed.resolve));
    return {
      async next(ms, signal) {
        if (signal.aborted) return;
        const timer = setTimeout(changed.resolve, ms);
        signal.addEventListener("abort", () => changed.resolve(), { once: true });
        await changed.promise;
        clearTimeout(timer);
      },
      [Symbol.dispose]: () => {
        all.delete(changed.resolve);
        if (all.size === 0 && this.watchers.get(id) === all) this.watchers.delete(id);
      },
    };
  }
}

interface Watch extends Disposable {
  /** Resolves when the task has changed since watch(), after `ms`, or when `signal` fires. */
  next(ms: number, signal: AbortSignal): Promise<void>;
}
