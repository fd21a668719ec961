/** A program that a test runs to its end. */
import type { Subprocess } from "bun";

export interface Told {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Resolves when it has ended. Its output has to go into pipes. */
export async function told(child: Subprocess<"ignore" | Blob | null, "pipe", "pipe">): Promise<Told> {
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
