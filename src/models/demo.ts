/** The small model that comes with the program, as a file that C++ can open. */
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import bundled from "../../models/demo.bin" with { type: "file" };
import { sizeOf } from "./download.ts";

/** Of a compiled program: inside it, where only Bun can read. */
const isInside = bundled.includes("$bunfs") || bundled.includes("~BUN");

/** Where it is, or would be: of a compiled program in `dir`, once `demoFile` has put it there. */
export const demoPath = (dir: string): string => (isInside ? join(dir, "demo.bin") : bundled);

/** Its path; a compiled program puts it into `dir` first. Rejects when that cannot be written to. */
export async function demoFile(dir: string): Promise<string> {
  const path = demoPath(dir);
  if (!isInside || (await sizeOf(path)) === Bun.file(bundled).size) return path;
  await mkdir(dir, { recursive: true });
  const half = `${path}.${process.pid}`;
  await Bun.write(half, Bun.file(bundled));
  await rename(half, path);
  return path;
}
