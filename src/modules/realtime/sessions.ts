/** The sessions that are open, and how many there may be. */
import { AppError } from "../../core/errors.ts";
import type { Metrics } from "../../metrics.ts";

interface Closable {
  end(code: number): void;
}

export class Sessions {
  private readonly callers = new Map<string, number>();
  private readonly open = new Set<Closable>();
  private count = 0;

  constructor(
    private readonly limits: { readonly all: number; readonly perCaller: number },
    private readonly metrics: Metrics,
  ) {
    metrics.gauge("sessions_open", "Live sessions", () => this.count);
    metrics.gauge("sessions_open_max", "Sessions that may be open (MAX_SESSIONS)", () => limits.all);
  }

  /** Takes a place; what it returns gives it back, once. Throws server_overloaded or rate_limit_exceeded. */
  enter(caller: string): () => void {
    const own = this.callers.get(caller) ?? 0;
    if (this.count >= this.limits.all) {
      throw this.refusal("server_overloaded", `There are ${this.count} sessions already`);
    }
    if (own >= this.limits.perCaller) {
      throw this.refusal("rate_limit_exceeded", `You have ${own} sessions already`);
    }
    this.count += 1;
    this.callers.set(caller, own + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.count -= 1;
      const left = (this.callers.get(caller) ?? 1) - 1;
      if (left > 0) this.callers.set(caller, left);
      else this.callers.delete(caller);
    };
  }

  add(session: Closable): void {
    this.open.add(session);
  }

  remove(session: Closable): void {
    this.open.delete(session);
  }

  endAll(code: number): void {
    for (const session of [...this.open]) session.end(code);
  }

  private refusal(code: "server_overloaded" | "rate_limit_exceeded", message: string): AppError {
    this.metrics.refusals.inc({ budget: "sessions" });
    return new AppError(code, message);
  }

  get size(): number {
    return this.count;
  }
}
