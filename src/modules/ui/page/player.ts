/** Hearing a recording: wavesurfer.js, and where it is in the text. */
import { signal } from "@preact/signals";
import WaveSurfer from "wavesurfer.js";
import Regions from "wavesurfer.js/plugins/regions";
import type { Segment } from "../../../core/transcript.ts";

/** Larger files are played without being drawn: drawing takes all their samples. */
const maxDrawnBytes = 96 * 2 ** 20;
/** More marks than this are not told apart in a waveform. */
const maxMarks = 400;

const nonce = document.querySelector("script[nonce]");

export class Player {
  readonly isReady = signal(false);
  readonly isPlaying = signal(false);
  readonly timeMs = signal(0);
  readonly durationMs = signal(0);
  readonly rate = signal(1);
  /** The browser cannot play it. */
  readonly isUnplayable = signal(false);
  private readonly wave: WaveSurfer;
  private readonly marks = Regions.create();
  private marked = 0;

  /** Draws into `container`, in its colours: `color`, and `caret-color` for what was heard. */
  constructor(
    private readonly container: HTMLElement,
    audio: Blob,
  ) {
    this.wave = WaveSurfer.create({
      container,
      ...this.colours(),
      height: "auto",
      barWidth: 2,
      barGap: 2,
      barRadius: 2,
      barMinHeight: 2,
      normalize: true,
      cursorWidth: 1,
      dragToSeek: true,
      hideScrollbar: true,
      cspNonce: nonce instanceof HTMLElement ? nonce.nonce : "",
      plugins: [this.marks],
    });
    const { wave } = this;
    wave.on("ready", (seconds) => {
      this.durationMs.value = seconds * 1000;
      this.isReady.value = true;
    });
    wave.on("play", () => {
      this.isPlaying.value = true;
    });
    wave.on("pause", () => {
      this.isPlaying.value = false;
    });
    wave.on("timeupdate", (seconds) => {
      this.timeMs.value = seconds * 1000;
    });
    wave.on("error", () => {
      this.isUnplayable.value = true;
    });
    const isDrawn = audio.size <= maxDrawnBytes;
    wave.loadBlob(audio, isDrawn ? undefined : [[0, 0]]).catch(() => {}); // told by "error"
  }

  playFrom(ms: number): void {
    // Not quite at its beginning: media elements may round it down, to the end of the word before.
    this.wave.setTime((ms + 1) / 1000);
    this.timeMs.value = ms + 1;
    this.wave.play().catch(() => {}); // interrupted by another
  }

  toggle(): void {
    this.wave.playPause().catch(() => {});
  }

  skip(seconds: number): void {
    this.wave.skip(seconds);
  }

  setRate(rate: number): void {
    this.rate.value = rate;
    this.wave.setPlaybackRate(rate);
  }

  /** Shows where segments are. Those that are marked already stay. */
  mark(segments: readonly Segment[]): void {
    if (!this.isReady.value) return;
    for (const { startMs, endMs } of segments.slice(this.marked, maxMarks))
      this.marks.addRegion({
        start: startMs / 1000,
        end: endMs / 1000,
        drag: false,
        resize: false,
        color: "color-mix(in oklab, currentColor 16%, transparent)",
      });
    this.marked = segments.length;
  }

  /** After the theme has changed. */
  repaint(): void {
    this.wave.setOptions(this.colours());
  }

  destroy(): void {
    this.wave.destroy();
  }

  private colours() {
    const { color, caretColor } = getComputedStyle(this.container);
    return { waveColor: color, progressColor: caretColor, cursorColor: caretColor };
  }
}
