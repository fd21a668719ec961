/** The waveform, and what plays it. */
import { effect, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { Player } from "./player.ts";
import type { Recording } from "./recording.ts";
import { theme } from "./settings.ts";
import { clock } from "./times.ts";

/** Of the recording that is read; null: it cannot be heard. */
export const player = signal<Player | null>(null);

const rates = [0.75, 1, 1.25, 1.5, 2];

export function PlayerBar({ recording, audio }: { recording: Recording; audio: Blob }) {
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!container.current) return;
    const made = new Player(container.current, audio);
    player.value = made;
    const unmark = effect(() => made.mark(made.isReady.value ? recording.segments.value : []));
    const unpaint = effect(() => {
      void theme.value;
      requestAnimationFrame(() => made.repaint());
    });
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const repaint = () => made.repaint();
    scheme.addEventListener("change", repaint);
    return () => {
      scheme.removeEventListener("change", repaint);
      unmark();
      unpaint();
      player.value = null;
      made.destroy();
    };
  }, [recording, audio]);
  const made = player.value;
  if (made?.isUnplayable.value && recording.segments.value.length === 0) return null;
  if (made?.isUnplayable.value)
    return (
      <p class="quiet unplayable">
        This browser cannot play the recording. Its text is complete all the same.
      </p>
    );
  const isPlaying = made?.isPlaying.value ?? false;
  return (
    <section class="player" aria-label="Player">
      <button
        type="button"
        class="button primary icon-only round"
        disabled={!made?.isReady.value}
        aria-label={isPlaying ? "Pause" : "Play"}
        onClick={() => made?.toggle()}
      >
        <Icon name={isPlaying ? "pause" : "play"} />
      </button>
      <div class="waveform" ref={container} aria-hidden="true" />
      <Times />
    </section>
  );
}

/** Apart from the rest: it changes many times in a second. */
function Times() {
  const made = player.value;
  const [nowMs, endMs] = [made?.timeMs.value ?? 0, made?.durationMs.value ?? 0];
  return (
    <div class="player-times">
      <span class="player-clock">
        {clock(nowMs)} <span class="quiet">/ {clock(endMs)}</span>
      </span>
      <select
        class="rate"
        aria-label="Speed"
        value={String(made?.rate.value ?? 1)}
        onChange={(event) => made?.setRate(Number(event.currentTarget.value))}
      >
        {rates.map((rate) => (
          <option key={rate} value={String(rate)}>
            {rate}×
          </option>
        ))}
      </select>
    </div>
  );
}
