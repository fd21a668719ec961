/** Runs a scenario of child.ts in a process of its own, for what may end the process. */
import { join } from "node:path";

export interface Ended {
  /** null: ended by `signal`. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** Kills it after four minutes, which no scenario needs, with sanitizers either: `signal` is SIGKILL then. */
export async function inChild(scenario: string, argument = ""): Promise<Ended> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "child.ts"), scenario, argument], {
    cwd: join(import.meta.dir, "../.."),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 240_000,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const { exitCode: code } = child;
  const signal = child.signalCode as NodeJS.Signals | null;
  const lines = stdout.split("\n").filter((line) => line !== "");
  return { code, signal, lines, stderr };
}
