/** The small model that comes with the program, as a file that C++ can open. */
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import bundled from "../../models/demo.bin" with { type: "file" };
import { sizeOf } from "./download.ts";

/** Of a compiled program: inside it, where only Bun can read. */
const isInside = bundled.includes("$bunfs") || bundled.includes("~BUN");

/** Its path; a compiled program puts it into `dir` first. */
export async function demoFile(dir: string): Promise<string> {
  if (!isInside) return bundled;
  const path = join(dir, "demo.bin");
  if ((await sizeOf(path)) === Bun.file(bundled).size) return path;
  await mkdir(dir, { recursive: true });
  const half = `${path}.${process.pid}`;
  await Bun.write(half, Bun.file(bundled));
  await rename(half, path);
  return path;
}
