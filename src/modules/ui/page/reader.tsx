/** One recording: what it says, how to hear it, how to take it away. */
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Bar } from "./bar.tsx";
import { describe, summary } from "./describe.ts";
import { copy, download, fileFormats } from "./downloads.ts";
import { Icon } from "./icons.tsx";
import { askForKey } from "./key-dialog.tsx";
import { live } from "./live.ts";
import { LivePanel } from "./live-panel.tsx";
import { PlayerBar } from "./player-bar.tsx";
import { again, cancel, selected } from "./queue.ts";
import type { Recording } from "./recording.ts";
import { TranscriptView } from "./transcript-view.tsx";

export function Reader() {
  const recording = selected.value;
  if (!recording) return null;
  return <Page key={recording.id} recording={recording} />;
}

function Page({ recording }: { recording: Recording }) {
  const { name, phase, audio, segments, running, sent, heard, isUnfinished } = recording;
  const isHeard = useComputed(() => segments.value.length > 0 || running.value !== "").value;
  const session = live.value?.recording === recording ? live.value : null;
  const isUploading = phase.value === "uploading";
  const article = useRef<HTMLElement>(null);
  useEffect(() => {
    // On narrow screens the lists are below it.
    if ((article.current?.getBoundingClientRect().top ?? 0) < 0) article.current?.scrollIntoView();
  }, []);
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The button that was pressed last may have gone with its phase.
    if (document.activeElement === document.body) title.current?.focus({ preventScroll: true });
  }, [phase.value]);
  return (
    <article ref={article} class="reader" aria-labelledby="reader-title" data-phase={phase.value}>
      <header class="reader-header">
        <div class="reader-heading">
          <h1 ref={title} id="reader-title" tabIndex={-1} title={name}>
            {name}
          </h1>
          <p class="reader-status">{phase.value === "done" ? summary(recording) : describe(recording)}</p>
        </div>
        <div class="reader-actions">
          {isUnfinished.value && session === null && (
            <button type="button" class="button" onClick={() => cancel(recording)}>
              Cancel
            </button>
          )}
          {!isUnfinished.value && segments.value.length > 0 && <Take recording={recording} />}
          {!isUnfinished.value && phase.value !== "failed" && audio.value && (
            <button
              type="button"
              class="button ghost icon-only"
              aria-label="Transcribe again with the options of now"
              title="Transcribe again"
              onClick={() => again(recording)}
            >
              <Icon name="again" />
            </button>
          )}
        </div>
      </header>
      {isUnfinished.value && session === null && (
        <div class="reader-bar">
          <Bar
            phase={phase.value}
            part={isUploading ? sent.value : heard.value}
            label={isUploading ? "Uploaded" : "Transcribed"}
          />
        </div>
      )}
      <Trouble recording={recording} />
      {session && <LivePanel session={session} />}
      {audio.value && <PlayerBar key={recording.id} recording={recording} audio={audio.value} />}
      {isHeard && <TranscriptView recording={recording} />}
      {!isHeard && <Nothing recording={recording} />}
    </article>
  );
}

/** Copies and files. */
function Take({ recording }: { recording: Recording }) {
  const state = useSignal<"" | "Copied" | "Not copied">("");
  const take = async () => {
    state.value = await copy(recording.text.value).then(
      () => "Copied" as const,
      () => "Not copied" as const,
    );
    setTimeout(() => {
      state.value = "";
    }, 2000);
  };
  return (
    <>
      <button type="button" class="button copy" aria-label="Copy" onClick={take}>
        <Icon name={state.value === "Copied" ? "check" : "copy"} />
        <span class="wide-only">{state.value || "Copy"}</span>
      </button>
      <span class="visually-hidden" role="status">
        {state.value}
      </span>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would be for what is filled in */}
      <div class="button-group" role="group" aria-label="Download">
        <Icon name="download" />
        {fileFormats.map((format) => (
          <button
            key={format}
            type="button"
            class="button"
            aria-label={`Download ${format}`}
            onClick={() => download(recording, format)}
          >
            {format}
          </button>
        ))}
      </div>
    </>
  );
}

/** Why it failed, and what to do. */
function Trouble({ recording }: { recording: Recording }) {
  const error = recording.error.value;
  return (
    <div role="alert">
      {error && (
        <div class="trouble">
          <Icon name="warning" />
          <p>{error.message}</p>
          {error.status === 401 && (
            <button type="button" class="button" onClick={askForKey}>
              Enter the key
            </button>
          )}
          {recording.audio.value && (
            <button type="button" class="button" onClick={() => again(recording)}>
              Try again
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Nothing({ recording }: { recording: Recording }) {
  const phase = recording.phase.value;
  if (phase === "done") return <p class="nothing">Nothing was said in this recording.</p>;
  if (phase === "listening") return <p class="nothing">Speak. The text appears here.</p>;
  if (phase === "failed" || phase === "cancelled") return null;
  return (
    <div class="skeleton" aria-hidden="true">
      <span />
      <span />
      <span />
    </div>
  );
}
