/** Where someone begins and stops to speak: hysteresis over the probabilities of speech, as in Silero's own iterator. */

/** What one probability is about. */
export const frameMs = 32;

export interface TurnSettings {
  /** Speech is what is at least this probable, 0..1; it ends where it is less so by 0.15. */
  readonly threshold: number;
  /** Kept before the speech. */
  readonly prefixPaddingMs: number;
  /** So much silence ends a turn, and belongs to it. */
  readonly silenceDurationMs: number;
}

export type TurnEvent =
  /** startMs: with the padding. */
  | { readonly type: "started"; readonly startMs: number }
  /** endMs: with the silence. */
  | { readonly type: "stopped"; readonly endMs: number };

/** Shorter sounds are none: clicks, a key, a breath. */
const minSpeechMs = 2 * frameMs;
/** Once it is speech it may be less certain for a moment. */
const hysteresis = 0.15;
const minThreshold = 0.01;
/** A turn ends here though nobody pauses. */
export const maxTurnMs = 300_000;

export class TurnDetector {
  /** Start of the sound that may become a turn, or is one. */
  private onsetMs: number | null = null;
  private speaking = false;
  private silentFromMs: number | null = null;
  private floorMs: number;

  /** What ends before `fromMs` does not count. */
  constructor(
    private readonly settings: TurnSettings,
    fromMs: number,
  ) {
    this.floorMs = fromMs;
  }

  /** Takes the probabilities of the next frames; `endMs` is where the last of them ends. */
  push(probabilities: Float32Array, endMs: number): TurnEvent[] {
    const events: TurnEvent[] = [];
    for (const [index, probability] of probabilities.entries()) {
      const frameEndMs = endMs - (probabilities.length - 1 - index) * frameMs;
      if (frameEndMs <= this.floorMs) continue;
      const event = this.speaking ? this.listen(probability, frameEndMs) : this.wait(probability, frameEndMs);
      if (event) events.push(event);
    }
    return events;
  }

  /** Forgets what was heard before `fromMs`, a turn that is open included. */
  reset(fromMs: number): void {
    this.speaking = false;
    this.onsetMs = null;
    this.silentFromMs = null;
    this.floorMs = fromMs;
  }

  private wait(probability: number, endMs: number): TurnEvent | null {
    if (probability < this.settings.threshold) {
      if (probability < this.exit) this.onsetMs = null;
      return null;
    }
    this.onsetMs ??= endMs - frameMs;
    if (endMs - this.onsetMs < minSpeechMs) return null;
    this.speaking = true;
    this.silentFromMs = null;
    const startMs = Math.max(this.floorMs, this.onsetMs - this.settings.prefixPaddingMs);
    return { type: "started", startMs };
  }

  private listen(probability: number, endMs: number): TurnEvent | null {
    if (probability >= this.settings.threshold) this.silentFromMs = null;
    else if (probability < this.exit) this.silentFromMs ??= endMs - frameMs;
    const isSilent =
      this.silentFromMs !== null && endMs - this.silentFromMs >= this.settings.silenceDurationMs;
    if (!isSilent && endMs - (this.onsetMs ?? endMs) < maxTurnMs) return null;
    this.reset(endMs);
    return { type: "stopped", endMs };
  }

  private get exit(): number {
    return Math.max(minThreshold, this.settings.threshold - hysteresis);
  }
}
