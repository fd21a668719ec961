/** What the cases fill in: samples by row and contender, and the texts that were written. */
import type { ServerName } from "./servers.ts";

export type Contender = ServerName | "whisper-cli";
export type Unit = "ms" | "MiB" | "times" | "x real time" | "per minute" | "per second" | "GB/s" | "µs";

export interface Row {
  readonly case: string;
  readonly what: string;
  readonly unit: Unit;
  readonly samples: Map<Contender, number[]>;
}

export class Table {
  readonly rows: Row[] = [];
  /** By recording and language: each text with those who wrote it. */
  readonly texts = new Map<string, Map<string, Set<Contender>>>();
  /** What could not be measured, and why. */
  readonly notes = new Set<string>();

  /** Adds a sample to a row; null (the system does not tell) adds nothing. */
  add(caseName: string, what: string, unit: Unit, contender: Contender, value: number | null): void {
    if (value === null) return;
    let row = this.rows.find((row) => row.case === caseName && row.what === what);
    if (!row) {
      row = { case: caseName, what, unit, samples: new Map() };
      this.rows.push(row);
    }
    const samples = row.samples.get(contender);
    if (samples) samples.push(value);
    else row.samples.set(contender, [value]);
  }

  /** Remembers what a contender wrote. White space does not count: the contenders separate segments differently. */
  addText(recording: string, language: string, contender: Contender, text: string): void {
    const key = `${recording} (${language})`;
    const texts = this.texts.get(key) ?? new Map<string, Set<Contender>>();
    const words = text.trim().replaceAll(/\s+/g, " ");
    texts.set(words, (texts.get(words) ?? new Set()).add(contender));
    this.texts.set(key, texts);
  }
}
