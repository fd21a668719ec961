/** `whisper-api bench`: how fast this machine is with a model. */
import { forPeople } from "../core/file-formats.ts";
import { defaultOptions } from "../core/options.ts";
import { computesOn } from "../engine/device.ts";
import sample from "./bench/sample.mp3" with { type: "file" };
import { type Define, Failure, integerOption } from "./command.ts";
import { modelOption } from "./model-option.ts";
import { clock } from "./progress.ts";
import { endOnInterrupt } from "./signals.ts";
import { temporaryPath } from "./temporary.ts";
import { Display, printResult } from "./terminal.ts";
import { openInput, type ReadableInput } from "./transcription/files.ts";

export const define: Define = (command) => {
  command
    .argument("[file]", "A recording. Default: one minute of speech that comes with the program.")
    .addOption(modelOption("Default: WHISPER_MODEL."))
    .option("-n, --runs <count>", "Measured runs, after one to warm up.", "5")
    .option("--beam-size <number>", "As in transcribe; 1 = greedy.", String(defaultOptions.beamSize))
    .option("--json", "As JSON, for programs.")
    .action(bench);
};

interface Given {
  readonly model?: string;
  readonly runs: string;
  readonly beamSize: string;
  readonly json?: true;
}

/** Milliseconds of one run. */
interface Run {
  readonly total: number;
  readonly first: number;
  readonly audio: number;
}

const rows: readonly (readonly [keyof Run, string])[] = [
  ["total", "whole recording"],
  ["first", "first segment"],
];

async function bench(file: string | undefined, options: Given): Promise<void> {
  const runs = integerOption("--runs", options.runs, 1, 1000);
  const beamSize = integerOption("--beam-size", options.beamSize, 1, 8);
  await using recording = await open(file);
  const { openHere } = await import("./transcription/local.ts");
  const { native } = await import("../native.ts");
  using display = new Display();
  using _ = endOnInterrupt(display);
  const loadingMs = performance.now();
  const { engine, config } = await openHere({ model: options.model, vad: false, display });
  const loadMs = performance.now() - loadingMs;

  const measured: Run[] = [];
  for (let run = 0; run <= runs; run += 1) {
    display.show(() => (run === 0 ? "warming up" : `run ${run} of ${runs}`));
    const result = await once(engine, recording.path, beamSize).catch(about(file));
    if (run > 0) measured.push(result);
  }
  const { id, precision } = engine.model;
  await engine.close(0);
  display.close();

  const audioMs = measured[0]?.audio ?? 0;
  const info = native.info();
  const { device } = computesOn(config.gpu, info);
  const summary = Object.fromEntries(rows.map(([key]) => [key, spread(measured.map((run) => run[key]))]));
  const total = spread(measured.map((run) => run.total / audioMs));
  if (options.json) {
    const result = {
      model: id,
      precision,
      device: device?.description,
      beamSize,
      runs,
      audioMs,
      loadMs,
      ms: summary,
    };
    const rounded = (_: string, value: unknown) =>
      typeof value === "number" ? Number(value.toFixed(4)) : value;
    return printResult(`${JSON.stringify({ ...result, realTimeFactor: total }, rounded, 2)}\n`);
  }
  const row = (name: string, values: Spread, digits: number) =>
    `${name.padEnd(18)}${[values.min, values.median, values.max].map((value) => value.toFixed(digits).padStart(10)).join("")}\n`;
  const seconds = ({ min, median, max }: Spread) => ({
    min: min / 1000,
    median: median / 1000,
    max: max / 1000,
  });
  await printResult(
    [
      `model              ${id} (${precision}), loaded in ${(loadMs / 1000).toFixed(2)} s\n`,
      `device             ${device?.description ?? "unknown"}, kernels ${info.kernels}\n`,
      `recording          ${clock(audioMs / 1000)}, beam size ${beamSize}, ${runs} ${runs === 1 ? "run" : "runs"}\n\n`,
      `${"".padEnd(18)}${["min", "median", "max"].map((name) => name.padStart(10)).join("")}\n`,
      ...rows.map(([key, name]) => row(`${name}, s`, seconds(summary[key] as Spread), 3)),
      row("real-time factor", total, 4),
      row("times real time", { min: 1 / total.max, median: 1 / total.median, max: 1 / total.min }, 1),
    ].join(""),
  );
}

/** The recording that is named, or a copy of ours: in a compiled program that is no file that C++ could open. Throws Failure. */
async function open(file: string | undefined): Promise<ReadableInput> {
  if (file !== undefined) return openInput(file, new AbortController().signal).catch(about(file));
  const copy = temporaryPath("bench");
  await Bun.write(copy.path, Bun.file(sample));
  return { path: copy.path, [Symbol.asyncDispose]: async () => copy[Symbol.dispose]() };
}

/** For a rejection that does not say which recording it is about. */
const about = (file: string | undefined) => (error: Error) => {
  throw new Failure(`${file ?? "The sample"}: ${forPeople(error.message)}`);
};

type Engine = Awaited<ReturnType<typeof import("./transcription/local.ts").openHere>>["engine"];

/** Decoding of the audio included, as for any request. */
async function once(engine: Engine, path: string, beamSize: number): Promise<Run> {
  const startedMs = performance.now();
  const since = () => performance.now() - startedMs;
  const events = await engine.transcribe({
    path,
    options: { ...defaultOptions, beamSize },
    priority: "request",
    signal: new AbortController().signal,
    requestId: "bench",
  });
  let first = 0;
  let audio = 0;
  for await (const event of events) {
    if (event.type === "start") audio = event.durationMs;
    if (event.type === "segment" && first === 0) first = since();
  }
  const total = since();
  return { total, first: first || total, audio };
}

interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Of one value at least. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number) => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    min: at(0),
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    max: at(sorted.length - 1),
  };
}
