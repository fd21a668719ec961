/** What a session hears, up to when it is forgotten (OpenAI's input audio buffer), and the turns in it. Times count from its first sample. */
import { AppError } from "../core/errors.ts";
import type { LiveAudio } from "../engine/engine.ts";
import type { SessionConfig } from "./config.ts";
import { turnSettings } from "./decoding.ts";
import { newId } from "./events.ts";
import type { AudioShare } from "./shared-audio.ts";
import { frameMs, TurnDetector, type TurnEvent } from "./turns.ts";
import { Utterance } from "./utterance.ts";

const shortestCommitMs = 100;
/** Silence that is kept while turns are looked for: a client may still commit it. */
const keptSilenceMs = 30_000;
/** What counts as speech where no turns are looked for, and nobody has said it. */
const usualThreshold = 0.5;

/** It acts on nothing: each call says what has come of it. What `others` holds are the turns that are not transcribed yet. */
export class InputBuffer {
  /** null until something is appended. */
  audio: LiveAudio | null = null;
  /** The turn that goes on: one that was detected, or without detection all that is not committed. */
  open: Utterance | null = null;
  appendedMs = 0;
  /** Up to where it was judged, where speech was last heard in it, and up to where it belongs to turns or was cleared. */
  judgedMs = 0;
  speechMs = 0;
  private doneMs = 0;
  private forgottenMs = 0;
  private detector: TurnDetector | null = null;
  private threshold = usualThreshold;

  constructor(
    private readonly listen: (rate: number) => LiveAudio,
    private readonly share: AudioShare,
    turns: SessionConfig["turn_detection"],
  ) {
    this.detect(turns);
  }

  /** Looks for turns in this way from now on, and drops the open one. null: they end where the client commits. */
  detect(turns: SessionConfig["turn_detection"]): void {
    this.open = null;
    const settings = turns && turnSettings(turns);
    this.threshold = settings?.threshold ?? usualThreshold;
    this.detector = settings && new TurnDetector(settings, this.doneMs);
  }

  /** Takes 16-bit samples; `rate` is that of the first ones. Throws audio_too_long. */
  append(bytes: Uint8Array, rate: number): void {
    this.audio ??= this.listen(rate);
    this.audio.append(bytes);
    this.appendedMs = Math.floor(this.audio.appendedMs);
  }

  /** Counts what is kept among that of all sessions. false: there is no room for it. */
  hold(): boolean {
    return this.share.hold(this.appendedMs - this.forgottenMs);
  }

  /** Takes probabilities of speech, as ListenOptions.onFrames; gives the turns that begin and end in them. */
  judge(probabilities: Float32Array, endMs: number): readonly TurnEvent[] {
    this.judgedMs = endMs;
    const last = probabilities.findLastIndex((probability) => probability >= this.threshold);
    if (last >= 0) this.speechMs = endMs - (probabilities.length - 1 - last) * frameMs;
    return this.detector?.push(probabilities, endMs) ?? [];
  }

  /** A turn is open from `startMs` on. */
  begin(startMs: number): Utterance {
    this.open = new Utterance(newId("item"), startMs);
    return this.open;
  }

  /** The open turn, which without detection begins with what comes after the last one. */
  growing(): Utterance | null {
    return this.open ?? (this.detector ? null : this.begin(this.doneMs));
  }

  /** The open turn ends here. null: there is none. */
  end(endMs: number): Utterance | null {
    const { open } = this;
    if (open) this.doneMs = endMs;
    this.open = null;
    return open;
  }

  /** A turn ends with all that was appended. Throws input_audio_buffer_commit_empty. */
  commit(others: readonly Utterance[]): Utterance {
    const endMs = this.appendedMs;
    const lengthMs = endMs - this.doneMs;
    if (lengthMs < shortestCommitMs) {
      throw new AppError(
        "input_audio_buffer_commit_empty",
        `Error committing input audio buffer: buffer too small. Expected at least ${shortestCommitMs}ms of audio, ` +
          `but buffer only has ${lengthMs.toFixed(2)}ms of audio.`,
      );
    }
    const turn = this.open ?? this.begin(Math.max(this.doneMs, this.neededMs(others)));
    this.end(endMs);
    this.detector?.reset(endMs);
    return turn;
  }

  /** Nothing that was appended so far will belong to a turn; the open one is dropped. */
  clear(): void {
    this.doneMs = this.appendedMs;
    this.open = null;
    this.detector?.reset(this.doneMs);
  }

  /** Frees what nobody needs any more. */
  forget(others: readonly Utterance[]): void {
    const beforeMs = this.neededMs(others);
    if (beforeMs <= this.forgottenMs) return;
    this.forgottenMs = beforeMs;
    this.audio?.forget(beforeMs);
    this.hold();
  }

  /** Frees everything. */
  close(): void {
    this.audio?.close();
    this.share.hold(0);
    this.open = null;
  }

  /** What lies before nobody needs any more. */
  private neededMs(others: readonly Utterance[]): number {
    const turns = this.open ? [...others, this.open] : others;
    if (turns.length > 0) return Math.min(...turns.map(({ neededMs }) => neededMs));
    return this.detector ? Math.max(this.doneMs, this.judgedMs - keptSilenceMs) : this.doneMs;
  }
}
