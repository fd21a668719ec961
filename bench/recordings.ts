/** The recordings: synthetic speech with known text, which the bundled model understands. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { root } from "./build.ts";

/** Eight different English clips of two to five seconds. */
export const clips = [
  ...["en-digits.wav", "en-digits-female.wav", "en-digits-flite.wav", "en-numbers.wav"],
  ...["en-commands.wav", "en-sentence.wav", "en-question.wav", "en-noisy.wav"],
];

/** The folder of the recordings. Throws when it is not there. */
export function findAudio(): string {
  const folder = resolve(Bun.env.BENCH_AUDIO ?? join(root, "..", "shared", "fixture-model", "audio"));
  if (existsSync(join(folder, "en-long-600s.mp3"))) return folder;
  throw new Error(
    `Expected the recordings in ${folder}, but they are not there. Set BENCH_AUDIO to their folder.`,
  );
}

/** Length of a 16-bit mono recording at 16 kHz, from its size; close enough for a throughput. */
export async function secondsOf(wav: string): Promise<number> {
  return ((await Bun.file(wav).stat()).size - 44) / 32_000;
}
