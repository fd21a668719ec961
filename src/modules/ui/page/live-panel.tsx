/** What is shown while the microphone listens: how loud it is, how long, and the end. */
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import type { LiveSession } from "./live.ts";
import { cancel } from "./queue.ts";
import { clock } from "./times.ts";

const barWidth = 2;
const gap = 2;

export function LivePanel({ session }: { session: LiveSession }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const stop = useRef<HTMLButtonElement>(null);
  // What began it cannot be pressed again.
  useEffect(() => stop.current?.focus({ preventScroll: true }), [session]);
  useEffect(() => {
    // With each piece that is heard: 25 times in a second.
    return session.heardMs.subscribe(() => {
      if (canvas.current) draw(canvas.current, session.peaks);
    });
  }, [session]);
  return (
    <section class="live" aria-label="Microphone">
      <span class="live-dot" aria-hidden="true" />
      <canvas ref={canvas} class="live-wave" />
      <span class="player-clock">{clock(session.heardMs.value)}</span>
      <button
        ref={stop}
        type="button"
        class="button primary"
        disabled={session.isStopping.value}
        onClick={() => session.stop()}
      >
        <Icon name="stop" />
        {session.isStopping.value ? "Finishing" : "Stop"}
      </button>
      <button type="button" class="button" onClick={() => cancel(session.recording)}>
        Cancel
      </button>
    </section>
  );
}

/** The newest at the right. */
function draw(canvas: HTMLCanvasElement, peaks: readonly number[]): void {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
  if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  const count = Math.ceil(width / (barWidth + gap));
  peaks.slice(-count).forEach((peak, index, shown) => {
    // Loudness as it is heard, not as it is measured.
    const tall = Math.max(2, Math.min(1, Math.sqrt(peak)) * height);
    const x = width - (shown.length - index) * (barWidth + gap);
    context.beginPath();
    context.roundRect(x, (height - tall) / 2, barWidth, tall, 1);
    context.fill();
  });
}
