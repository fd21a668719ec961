/** whisper-cli: whisper.cpp without any server around it. One process per recording, the loading of the weights included. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { cache } from "./build.ts";
import { spawn, tail } from "./process.ts";
import type { Decoding } from "./servers.ts";

export interface CliRun {
  readonly text: string;
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** Throws with the end of its log when it fails. */
export async function runCli(
  program: string,
  { model, threads, beamSize, bestOf }: Decoding,
  recording: string,
  language: string,
): Promise<CliRun> {
  const logPath = join(cache, "whisper-cli.log");
  const log = openSync(logPath, "w");
  const started = performance.now();
  const child = spawn(
    [
      ...[program, "-np", "-m", model, "-f", recording, "-l", language],
      ...["-t", String(threads), "-bs", String(beamSize), "-bo", String(bestOf)],
    ],
    { stdout: "pipe", stderr: log },
  );
  closeSync(log);
  if (!(child.stdout instanceof ReadableStream)) throw new TypeError("Expected a stream for stdout");
  const output = await child.stdout.text();
  const exitCode = await child.exited;
  const wallMs = performance.now() - started;
  if (exitCode !== 0) throw new Error(`whisper-cli ended with ${exitCode}:\n${tail(logPath)}`);
  const text = output.replaceAll(/^\[[^\]]*\] */gm, "");
  // Microseconds.
  return { text, wallMs, cpuMs: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1000 };
}
