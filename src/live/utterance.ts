/** One turn of a speaker on its way to its text: transcribed once at its end, or again and again while it grows. */
import type { AudioAllowance } from "../core/limits.ts";
import type { Options } from "../core/options.ts";
import { collect, type Segment } from "../core/transcript.ts";
import type { LiveAudio } from "../engine/engine.ts";
import { Agreement, unitsOf } from "./agreement.ts";

export interface Decoding {
  readonly audio: LiveAudio;
  readonly allowance: AudioAllowance;
  readonly options: Options;
  readonly signal: AbortSignal;
  /** For the log. */
  readonly requestId: string;
}

/** Audio beyond this is let go of as soon as whole segments are said, so that a decode stays within one of whisper's windows. */
const comfortableMs = 15_000;
/** And here without agreement. */
const longestMs = 27_000;
/** The addon takes no less. */
const shortestMs = 100;

export class Utterance {
  private readonly agreement = new Agreement();
  /** What lies before is said and need not be heard again. */
  private heardMs: number;
  /** How far the last pass has heard. */
  refinedMs: number;
  /** What lies before is charged: it costs once, however often it is heard. */
  private chargedMs: number;

  /** startMs: where its audio begins. */
  constructor(
    readonly itemId: string,
    readonly startMs: number,
  ) {
    this.heardMs = startMs;
    this.refinedMs = startMs;
    this.chargedMs = startMs;
  }

  /** All that was said so far. */
  get text(): string {
    return this.agreement.text;
  }

  /** From where its audio is still needed. */
  get neededMs(): number {
    return this.heardMs;
  }

  /** Hears it up to `toMs`, though it goes on; gives what can be said now for good. Throws what the run throws. */
  async refine(toMs: number, decoding: Decoding): Promise<string> {
    this.refinedMs = toMs;
    const segments = await this.transcribe(toMs, decoding);
    const text = segments.map((segment) => segment.text).join("");
    const lengthMs = toMs - this.heardMs;
    if (lengthMs > longestMs) {
      const said = this.agreement.finish(text);
      this.agreement.forget(Number.POSITIVE_INFINITY);
      this.heardMs = toMs;
      return said;
    }
    const said = this.agreement.add(text);
    if (lengthMs > comfortableMs) this.letGo(segments);
    return said;
  }

  /** Hears its end; gives all that is left to say, and the segments that it comes from. Throws what the run throws. */
  async finish(
    toMs: number,
    decoding: Decoding,
  ): Promise<{ rest: string; segments: readonly Segment[]; fromMs: number }> {
    const fromMs = this.heardMs;
    const segments = toMs - fromMs < shortestMs ? [] : await this.transcribe(toMs, decoding);
    const rest = this.agreement.finish(
      segments
        .map((segment) => segment.text)
        .join("")
        .trimEnd(),
    );
    this.heardMs = toMs;
    return { rest, segments, fromMs };
  }

  private async transcribe(toMs: number, decoding: Decoding): Promise<readonly Segment[]> {
    const { audio, allowance, options, signal, requestId } = decoding;
    const newMs = Math.max(0, toMs - this.chargedMs);
    // what was said and let go of stands before the rest, as in a recording
    const prompt = this.heardMs === this.startMs ? options.prompt : `${options.prompt} ${this.text}`.trim();
    const request = {
      ...{ fromMs: this.heardMs, toMs, options: { ...options, prompt }, signal, requestId },
      admit: async () => {
        await allowance.admit(newMs);
        this.chargedMs += newMs;
      },
      refund: () => {
        allowance.refund(newMs);
        this.chargedMs -= newMs;
      },
    };
    return (await collect(await audio.transcribe(request))).segments;
  }

  /** Moves past the segments that are said word for word. */
  private letGo(segments: readonly Segment[]): void {
    const said = this.agreement.countSaid(segments.flatMap(({ text }) => unitsOf(text)));
    let words = 0;
    let pastMs = 0;
    for (const { text, endMs } of segments) {
      const count = words + unitsOf(text).length;
      if (count > said) break;
      words = count;
      pastMs = endMs;
    }
    this.agreement.forget(words);
    this.heardMs += pastMs;
  }
}
