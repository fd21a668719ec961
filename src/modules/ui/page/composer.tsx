/** Where recordings come in: dropped, chosen, or spoken. */
import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Icon } from "./icons.tsx";
import { live, record } from "./live.ts";
import { add } from "./queue.ts";

/** Of the button that chooses files. */
export const chooseId = "choose-files";

const isOver = signal(false);
/** Elements that the pointer has entered and not left: each tells of its own. */
let depth = 0;

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;

/** Files may be dropped anywhere on the page. */
export function acceptDrops(): void {
  window.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    isOver.value = true;
  });
  window.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    isOver.value = depth > 0;
  });
  window.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  window.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    isOver.value = false;
    add(event.dataTransfer?.files ?? []);
  });
}

export function Composer() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <section class={`composer${isOver.value ? " is-over" : ""}`} aria-label="Add recordings">
      <svg class="composer-wave" viewBox="0 0 200 48" aria-hidden="true">
        <path d={wave} />
      </svg>
      <p class="composer-title">{isOver.value ? "Let go to transcribe" : "Drop recordings here"}</p>
      <p class="composer-help">Audio or video, several at once</p>
      <div class="composer-actions">
        <button id={chooseId} type="button" class="button primary" onClick={() => input.current?.click()}>
          <Icon name="upload" />
          Choose files
        </button>
        <button type="button" class="button" disabled={live.value !== null} onClick={() => record()}>
          <Icon name="microphone" />
          Record
        </button>
      </div>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        accept="audio/*,video/*"
        onChange={(event) => {
          add([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = ""; // the same file may be chosen again
        }}
      />
    </section>
  );
}

/** A drawn voice: bars under two swells. */
const wave = Array.from({ length: 40 }, (_, index) => {
  const swell =
    Math.sin((index / 39) * Math.PI) * (0.55 + 0.45 * Math.sin(index * 0.9) * Math.cos(index * 0.37));
  const height = 2 + 20 * Math.abs(swell);
  return `M${2.5 + index * 5} ${(24 - height).toFixed(1)}v${(2 * height).toFixed(1)}`;
}).join("");
