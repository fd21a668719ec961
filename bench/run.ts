/** `bun run bench`: compares this server with whisper.cpp's own programs on the same model and recordings. */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Bench, type Case, type Settings } from "./bench.ts";
import { buildPrograms, findModel } from "./build.ts";
import { behind } from "./cases/behind.ts";
import { cache } from "./cases/cache.ts";
import { clients } from "./cases/clients.ts";
import { clip } from "./cases/clip.ts";
import { concurrent } from "./cases/concurrent.ts";
import { decode } from "./cases/decode.ts";
import { first } from "./cases/first.ts";
import { limiter } from "./cases/limiter.ts";
import { live } from "./cases/live.ts";
import { long } from "./cases/long.ts";
import { memory } from "./cases/memory.ts";
import { pieces } from "./cases/pieces.ts";
import { step } from "./cases/step.ts";
import { tasks } from "./cases/tasks.ts";
import { watchOthers } from "./process.ts";
import { findAudio } from "./recordings.ts";
import { asJson, asMarkdown, asText, facts } from "./report.ts";
import { type Contender, Table } from "./table.ts";

const cases: readonly Case[] = [
  clip,
  concurrent,
  clients,
  first,
  behind,
  live,
  step,
  limiter,
  memory,
  decode,
  long,
  pieces,
  tasks,
  cache,
];
const contenders: readonly Contender[] = ["whisper-api", "whisper-server", "whisper-cli"];

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "base" },
    reps: { type: "string" },
    only: { type: "string", default: cases.map(({ name }) => name).join() },
    contenders: { type: "string", default: contenders.join() },
    threads: { type: "string", default: String(availableParallelism()) },
    slots: { type: "string", default: "8" },
    beam: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    markdown: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const help = `bun run bench [options]
  --model NAME       demo, tiny, base, small, medium, large (all say the same as demo), or a path; base
  --reps N           repetitions of each measurement; 5, and 3 for base and larger, and 1 if quick
  --only A,B         some of the cases
  --contenders A,B   some of ${contenders.join(", ")}
  --threads N        threads of each; all cores
  --slots N          windows decoded together by whisper-api; 8
  --beam N           beams, 1 = greedy; 5
  --quick            95 seconds of speech in place of ten minutes
  --json FILE        all samples
  --markdown         the table as Markdown
cases:
${cases.map(({ name, about }) => `  ${name.padEnd(18)} ${about}`).join("\n")}
recordings: BENCH_AUDIO, or ../shared/fixture-model/audio beside the checkout`;

if (flags.help) console.log(help);
else await main().catch(explain);

/** The errors made here say all that there is to say; others are bugs and keep their stack. */
function explain(error: unknown): void {
  if (!(error instanceof Error) || error.constructor !== Error) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const selected = pick(
    "only",
    flags.only,
    cases.map(({ name }) => name),
  );
  const audio = findAudio();
  const usualRepetitions = flags.quick ? 1 : ["demo", "tiny"].includes(flags.model) ? 5 : 3;
  const settings: Settings = {
    decoding: {
      model: await findModel(flags.model),
      threads: count("threads", flags.threads),
      slots: count("slots", flags.slots),
      beamSize: count("beam", flags.beam),
      bestOf: 5,
    },
    programs: await buildPrograms(),
    audio,
    longFile: flags.quick ? "en-long-95s.mp3" : "en-long-600s.mp3",
    repetitions: flags.reps === undefined ? usualRepetitions : count("reps", flags.reps),
    contenders: pick("contenders", flags.contenders, contenders),
  };
  const circumstances = facts(settings);
  const bench = new Bench(settings);
  const table = new Table();
  try {
    for (const each of cases.filter(({ name }) => selected.includes(name))) {
      const meanwhile = watchOthers();
      process.stderr.write(`${each.name}: ${each.about} ... `);
      await each.run(bench, table);
      const { seconds, percent } = meanwhile();
      process.stderr.write(`${seconds.toFixed(0)} s\n`);
      // ggml's threads spin while they wait: beside other work even CPU times grow, up to ten times and more.
      if (percent > 3)
        table.notes.add(`${each.name}: other processes took ${percent.toFixed(0)} % of the cores meanwhile`);
    }
  } finally {
    await bench.close();
    // What was measured before a failure is still worth showing.
    if (flags.json !== undefined) writeFileSync(flags.json, `${asJson(circumstances, table)}\n`);
    console.log(flags.markdown ? asMarkdown(circumstances, table) : asText(circumstances, table));
  }
}

/** Those of `known` that a flag names, in the order of `known`. */
function pick<Name extends string>(flag: string, given: string, known: readonly Name[]): Name[] {
  const names = given.split(",");
  const wrong = names.find((name) => !known.some((each) => each === name));
  if (wrong !== undefined)
    throw new Error(`Expected some of ${known.join()} for --${flag} but received "${wrong}"`);
  return known.filter((name) => names.includes(name));
}

function count(flag: string, given: string): number {
  const value = Number(given);
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value;
  throw new Error(`Expected a number from 1 to 1000 for --${flag} but received "${given}"`);
}
