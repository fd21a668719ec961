/** Audio that live sessions keep: each may keep some in any case, what is beyond that is bounded for all of them together. */

/** Of one session. */
export interface AudioShare {
  /** So much is kept now. false: all sessions keep too much; it still counts as before. */
  hold(ms: number): boolean;
}

export class SharedAudio {
  private beyondMs = 0;

  /** `ownMs`: what each may keep in any case. Both are times of 16 kHz floats: an hour is 230 MB. */
  constructor(
    private readonly maxBeyondMs = 3_600_000,
    private readonly ownMs = 60_000,
  ) {}

  share(): AudioShare {
    let beyondMs = 0;
    return {
      hold: (ms) => {
        const change = Math.max(0, ms - this.ownMs) - beyondMs;
        if (change > 0 && this.beyondMs + change > this.maxBeyondMs) return false;
        beyondMs += change;
        this.beyondMs += change;
        return true;
      },
    };
  }
}
