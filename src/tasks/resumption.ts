/**
 * What a run says, beside what an earlier attempt at the same recording has stored. Decoding is deterministic: what was stored
 * comes again, and stays as it is, so that pages that were read stay true. Where it does not, the store is corrected.
 */
import type { Segment } from "../core/transcript.ts";

/** The stored segments from `index` on are to be replaced. */
export interface Correction {
  readonly index: number;
  readonly segments: readonly Segment[];
}

export class Resumption {
  /** Of this run, in the order in which they came. Those that were stored already are the stored values. */
  private readonly own: Segment[] = [];
  /** Stored segments that did not come yet, by channel: channels are each in order, but mix as they get done. */
  private missing: Map<number, Segment[]>;
  private stored: Segment[];

  constructor(stored: readonly Segment[]) {
    this.stored = [...stored];
    this.missing = Map.groupBy(stored, ({ channel }) => channel);
  }

  /** Takes the run's next segment. null: it is stored. */
  add(segment: Segment): Correction | null {
    const expected = this.missing.get(segment.channel)?.shift();
    if (expected && isSame(expected, segment)) {
      this.own.push(expected);
      return null;
    }
    if (expected) {
      this.own.push(segment);
      return this.startOver();
    }
    const added = { ...segment, id: this.stored.length };
    this.own.push(added);
    this.stored.push(added);
    return { index: added.id, segments: [added] };
  }

  /** The run has ended. null: the store has what it said. */
  end(): Correction | null {
    return [...this.missing.values()].some((left) => left.length > 0) ? this.startOver() : null;
  }

  /** The store gets what this run said, from the first place on where they differ. */
  private startOver(): Correction {
    const differs = this.own.findIndex((segment, at) => segment !== this.stored[at]);
    const index = differs < 0 ? this.own.length : differs;
    const segments = this.own.slice(index).map((segment, at) => ({ ...segment, id: index + at }));
    this.own.splice(index, this.own.length, ...segments);
    this.stored = [...this.own];
    this.missing = new Map();
    return { index, segments };
  }
}

/** Probabilities may differ in their last digits from one machine to another. */
const isSame = (a: Segment, b: Segment) =>
  a.text === b.text && a.startMs === b.startMs && a.endMs === b.endMs;
