/** The table as text, as Markdown and as JSON, with the facts of the machine that it was measured on. */
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { basename } from "node:path";
import type { Settings } from "./bench.ts";
import { root, whisperVersion } from "./build.ts";
import { type Summary, summarize } from "./stats.ts";
import type { Contender, Row, Table, Unit } from "./table.ts";

export type Facts = Readonly<Record<string, string>>;

/** What a reader needs to judge the numbers. */
export function facts({ decoding, repetitions }: Settings): Facts {
  const megabytes = Math.round(statSync(decoding.model).size / 1e6);
  return {
    CPU: `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${type()} ${release()}`,
    commit: commit(),
    versions: `bun ${Bun.version}, whisper.cpp ${whisperVersion()}`,
    model: `${basename(decoding.model)} (${megabytes} MB)`,
    decoding: `${decoding.threads} threads, beam ${decoding.beamSize}, best of ${decoding.bestOf}; whisper-api: ${decoding.slots} windows together`,
    repetitions: String(repetitions),
    date: new Date().toISOString().slice(0, 16).replace("T", " "),
  };
}

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return git("rev-parse", "--short", "HEAD") + (git("status", "--porcelain") ? " with changes" : "");
  } catch {
    return "unknown";
  }
}

const columns: readonly Contender[] = ["whisper-api", "whisper-server", "whisper-cli"];

/** Aligned text for a terminal. */
export function asText(facts: Facts, table: Table): string {
  const body = cells(table);
  const widths = body.reduce<number[]>(
    (most, row) => row.map((cell, i) => Math.max(most[i] ?? 0, cell.length)),
    [],
  );
  const lines = body.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const about = Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
  return [...about, "", ...lines, "", ...remarks(table)].join("\n");
}

/** For the documentation. */
export function asMarkdown(facts: Facts, table: Table): string {
  const [head = [], ...body] = cells(table).map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const about = Object.entries(facts).map(([name, value]) => `- ${name}: ${value}`);
  const notes = remarks(table).map((remark) => `- ${remark}`);
  return [...about, "", line(head), line(head.map(() => "---")), ...body.map(line), "", ...notes].join("\n");
}

/** Everything, every sample. */
export function asJson(facts: Facts, table: Table): string {
  const rows = table.rows.map((row) => ({ ...row, samples: Object.fromEntries(row.samples) }));
  return JSON.stringify({ facts, rows, remarks: remarks(table) }, null, 2);
}

/** Head and one line a row. A ratio is that of the medians, whisper-api ÷ the other. */
function cells(table: Table): string[][] {
  const head = ["case", "min / median / max of", ...columns, "÷ server", "÷ cli"];
  return [head, ...table.rows.map((row) => line(row))];
}

function line(row: Row): string[] {
  const summaries = new Map<Contender, Summary>();
  for (const [contender, samples] of row.samples) summaries.set(contender, summarize(samples));
  const ours = summaries.get("whisper-api");
  const ratio = (other: Summary | undefined) =>
    ours && other ? (ours.median / other.median).toFixed(2) : "";
  return [
    row.case,
    `${row.what} (${row.unit})`,
    ...columns.map((contender) => written(summaries.get(contender), row.unit)),
    ratio(summaries.get("whisper-server")),
    ratio(summaries.get("whisper-cli")),
  ];
}

function written(summary: Summary | undefined, unit: Unit): string {
  if (!summary) return "";
  const digits = unit === "times" || summary.max < 10 ? 2 : summary.max < 100 ? 1 : 0;
  const { min, median, max } = summary;
  if (min === max) return median.toFixed(digits);
  return [min, median, max].map((value) => value.toFixed(digits)).join(" / ");
}

/** Whether all wrote the same, and what could not be measured. */
function remarks(table: Table): string[] {
  const compared = [...table.texts].filter(
    ([, texts]) => new Set([...texts.values()].flatMap((who) => [...who])).size > 1,
  );
  const different = compared.filter(([, texts]) => texts.size > 1);
  const differences = different.map(
    ([recording, texts]) => `different texts of ${recording}: ${difference(texts)}`,
  );
  if (compared.length === 0) return [...table.notes];
  const verdict = `same text by all contenders: ${compared.length - different.length} of ${compared.length} recordings`;
  return [verdict, ...differences, ...table.notes];
}

/** Each text from shortly before the first difference on. */
function difference(texts: ReadonlyMap<string, ReadonlySet<Contender>>): string {
  const written = [...texts.keys()];
  const shortest = Math.min(...written.map((text) => text.length));
  let at = 0;
  while (at < shortest && written.every((text) => text[at] === written[0]?.[at])) at++;
  const from = Math.max(0, at - 30);
  return [...texts]
    .map(([text, who]) => `${[...who].join(", ")}: "…${text.slice(from, at + 50)}…"`)
    .join("; ");
}
