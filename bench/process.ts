/** Child processes and what they have used. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";

type Child = Bun.Subprocess<"ignore", "pipe" | number, number>;

const living = new Set<Child>();
const folders: string[] = [];

/** Starts a child that never outlives this process; its output goes where `output` says. */
export function spawn(
  command: string[],
  output: { stdout: "pipe" | number; stderr: number },
  where: { cwd?: string; env?: Record<string, string> } = {},
): Child {
  const child = Bun.spawn(command, { stdin: "ignore", ...output, ...where });
  living.add(child);
  void child.exited.then(() => living.delete(child));
  return child;
}

process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const) {
  process.on(signal, () => process.exit(128 + number));
}

/** A new folder that goes when this process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "whisper-bench-"));
  folders.push(folder);
  return folder;
}

/** Asks a child to end, makes it end after five seconds, and waits until it has. */
export async function stop(child: Child): Promise<void> {
  child.kill("SIGTERM");
  const impatience = setTimeout(() => child.kill("SIGKILL"), 5000);
  await child.exited;
  clearTimeout(impatience);
}

/** The last lines of a log. */
export function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n").slice(-20).join("\n") : "";
}

/** Linux shows times to programs in hundredths of a second on every architecture. */
const msPerTick = 10;

/**
 * User and system time of a process so far, its children's included (those that live and those waited for). null where
 * there is no /proc (other systems than Linux): tables then have no such rows. 0 when it has ended.
 */
export function cpuMs(pid: number): number | null {
  if (!existsSync("/proc/self/stat")) return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The second field is the name in brackets and may hold spaces; utime is the 14th field.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").filter(Boolean);
    return children.reduce((sum, child) => sum + (cpuMs(Number(child)) ?? 0), ticks * msPerTick);
  } catch {
    return 0;
  }
}

/** The most memory that a process ever held in RAM, or null as above. A new process is needed to measure anew. */
export function peakBytes(pid: number): number | null {
  if (!existsSync("/proc/self/status")) return null;
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
}

/**
 * Watches how much of the machine other processes take from now on; the answer is for the time since then. `percent` is of
 * all cores, 0 where the system does not tell.
 */
export function watchOthers(): () => { seconds: number; percent: number } {
  const used = () => cpuMs(process.pid);
  const busyMs = () =>
    cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  const [usedBefore, busyBefore, startedMs] = [used(), busyMs(), performance.now()];
  return () => {
    const passedMs = performance.now() - startedMs;
    const usedAfter = used();
    if (usedBefore === null || usedAfter === null) return { seconds: passedMs / 1000, percent: 0 };
    const othersMs = busyMs() - busyBefore - (usedAfter - usedBefore);
    return { seconds: passedMs / 1000, percent: Math.max(0, (100 * othersMs) / (passedMs * cpus().length)) };
  };
}
