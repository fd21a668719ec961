/** The text: its segments with their times, and the word that is heard. */
import { computed, type ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Segment } from "../../../core/transcript.ts";
import { player } from "./player-bar.tsx";
import type { Recording } from "./recording.ts";
import { isUnsure, type Place, piecesOf, placeAt } from "./spoken.ts";
import { clock, counted, percent, spokenClock } from "./times.ts";

export function TranscriptView({ recording }: { recording: Recording }) {
  const { segments, phase } = recording;
  const list = useRef<HTMLOListElement>(null);
  const place = useMemo(
    () =>
      computed<Place | null>(() => {
        const made = player.value;
        if (!made || (made.timeMs.value === 0 && !made.isPlaying.value)) return null;
        return placeAt(segments.value, made.timeMs.value);
      }),
    [recording],
  );
  const here = useMemo(() => computed(() => place.value?.segment ?? -1), [place]);
  useFollowing(list, here);
  const unsure = segments.value
    .flatMap(({ words }) => words)
    .filter((word) => isUnsure(word.probability)).length;
  return (
    <section class="transcript" aria-labelledby="transcript-title">
      <h2 id="transcript-title" class="visually-hidden">
        Transcript
      </h2>
      <p id="transcript-help" class="visually-hidden">
        Enter plays a segment. Up and down move between segments, left and right between words.
      </p>
      <ol
        ref={list}
        class="segments"
        aria-live={phase.value === "listening" ? "polite" : "off"}
        onKeyDown={(event) => move(event, recording, place.value)}
      >
        {segments.value.map((segment, index) => (
          <Line key={segment.id} segment={segment} index={index} place={place} />
        ))}
      </ol>
      <Running recording={recording} />
      {unsure > 0 && phase.value === "done" && (
        <p class="legend">
          <span class="unsure">Underlined</span>: {counted(unsure, "word")} that may be wrong
        </p>
      )}
    </section>
  );
}

/** Apart from the rest: it changes with every word. */
function Running({ recording }: { recording: Recording }) {
  const text = recording.running.value.trimStart();
  if (text === "") return null;
  return (
    <p class="running">
      <span class="stamp" aria-hidden="true" />
      <span class="text">{text}</span>
    </p>
  );
}

interface LineProps {
  segment: Segment;
  index: number;
  place: ReadonlySignal<Place | null>;
}

function Line({ segment, index, place }: LineProps) {
  const { startMs, text, words } = segment;
  // Only the line that it concerns is drawn anew.
  const spoken = useMemo(
    () =>
      computed(() => {
        const now = place.value;
        return now?.segment === index ? now.word : null;
      }),
    [place, index],
  );
  const pieces = useMemo(() => piecesOf(text.trim(), words), [segment]);
  const isHere = spoken.value !== null;
  const isDoubtful =
    words.length === 0 && segment.tokens.length > 0 && isUnsure(Math.exp(segment.avgLogprob));
  return (
    <li class={`segment${isHere ? " is-here" : ""}`} data-index={index}>
      <button
        type="button"
        class="stamp"
        disabled={player.value === null}
        tabIndex={index === 0 || isHere ? 0 : -1}
        aria-label={`Play from ${spokenClock(startMs)}`}
        aria-describedby="transcript-help"
        aria-current={isHere ? "true" : undefined}
        onClick={() => player.value?.playFrom(startMs)}
      >
        {clock(startMs)}
      </button>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the keys of the list do the same */}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: as above */}
      <span
        class={`text${isDoubtful ? " unsure" : ""}`}
        onClick={(event) => {
          if (!getSelection()?.isCollapsed) return; // somebody selects text
          const word = words[Number((event.target as HTMLElement).dataset.word ?? -1)];
          player.value?.playFrom(word?.startMs ?? startMs);
        }}
      >
        {pieces.map((piece, at) => {
          const word = piece.word === null ? undefined : words[piece.word];
          if (!word) return piece.text;
          const doubt = isUnsure(word.probability);
          return (
            <span
              key={at}
              data-word={piece.word}
              class={`word${doubt ? " unsure" : ""}${spoken.value === piece.word ? " is-spoken" : ""}`}
              title={doubt ? `${percent(word.probability)} sure` : undefined}
            >
              {piece.text}
            </span>
          );
        })}
      </span>
    </li>
  );
}

/** Keeps the line that is heard in view. */
function useFollowing(list: { current: HTMLElement | null }, here: ReadonlySignal<number>): void {
  useEffect(
    () =>
      here.subscribe((index) => {
        if (index < 0) return;
        const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
        list.current?.children[index]?.scrollIntoView({
          block: "nearest",
          behavior: isCalm ? "auto" : "smooth",
        });
      }),
    [here],
  );
}

/** Arrows: up and down between segments, left and right between words. */
function move(event: KeyboardEvent, recording: Recording, place: Place | null): void {
  const target = event.target as HTMLElement;
  const index = Number(target.closest<HTMLElement>("[data-index]")?.dataset.index ?? -1);
  const list = recording.segments.value;
  if (index < 0) return;
  const focus = (to: number) =>
    target.closest("ol")?.querySelector<HTMLElement>(`[data-index="${to}"] > .stamp`)?.focus();
  const word = place?.segment === index ? place.word : -1;
  switch (event.key) {
    case "ArrowDown":
      focus(Math.min(index + 1, list.length - 1));
      break;
    case "ArrowUp":
      focus(Math.max(index - 1, 0));
      break;
    case "Home":
      focus(0);
      break;
    case "End":
      focus(list.length - 1);
      break;
    case "ArrowRight":
    case "ArrowLeft": {
      const next = list[index]?.words[word + (event.key === "ArrowRight" ? 1 : -1)];
      if (next) player.value?.playFrom(next.startMs);
      break;
    }
    default:
      return;
  }
  event.preventDefault();
}
