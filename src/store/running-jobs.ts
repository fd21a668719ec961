/** The jobs that a worker does now. */
export class RunningJobs {
  private readonly jobs = new Map<
    string,
    { readonly aborter: AbortController; readonly left: Promise<unknown> }
  >();

  get ids(): readonly string[] {
    return [...this.jobs.keys()];
  }

  /** Does what `act` does; `id` is among those that run until it has settled. */
  run<T>(id: string, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const aborter = new AbortController();
    const left = act(aborter.signal).finally(() => this.jobs.delete(id));
    this.jobs.set(id, { aborter, left });
    return left;
  }

  /** Fires the signal of one, if it still runs. */
  abort(id: string, reason: Error): void {
    this.jobs.get(id)?.aborter.abort(reason);
  }

  /** Resolves when all have left; after `graceMs` their signals fire. */
  async close(graceMs: number): Promise<void> {
    const grace = setTimeout(() => {
      for (const { aborter } of this.jobs.values()) aborter.abort(new Error("The worker stops"));
    }, graceMs);
    await Promise.all([...this.jobs.values()].map(({ left }) => left));
    clearTimeout(grace);
  }
}
