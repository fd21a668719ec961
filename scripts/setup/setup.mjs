/** Everything between a fresh clone and a server that can start: each step is skipped when it is up to date. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { acquireLock } from "../../src/models/lock.mjs";
import { addonIsReady, buildAddon } from "./addon.mjs";
import { findBun, installBun } from "./bun.mjs";
import { SetupError } from "./command.mjs";
import { dependenciesAreReady, installDependencies } from "./dependencies.mjs";
import { splitArguments } from "./flags.mjs";

/** @typedef {{ root: string, env: NodeJS.ProcessEnv }} Place The checkout, and the environment to find programs in. */

const oldestNode = 18;

/**
 * Does what is still to do. Only one process at a time changes the checkout; one that finds nothing to do never waits.
 *
 * @param {Place} place
 * @param {import("./flags.mjs").BuildFlag[] | null} flags null: those of the last build, or what the machine has
 * @returns {Promise<string>} Bun's path
 */
async function setUp(place, flags) {
  let bun = findBun(place);
  const isReady = () => bun !== null && dependenciesAreReady(place) && addonIsReady(place, flags);
  if (bun && isReady()) return bun;

  const cache = join(place.root, ".cache");
  mkdirSync(cache, { recursive: true });
  const lock = join(cache, "setup.lock");
  const release = await acquireLock(lock, {
    onWait: (pid) => console.error(`Waiting for process ${pid}, which is setting up this checkout (${lock})`),
  });
  process.once("exit", release);
  try {
    bun = findBun(place) ?? (await installBun(place));
    if (!dependenciesAreReady(place)) await installDependencies(place, bun);
    if (!addonIsReady(place, flags)) await buildAddon(place, bun, flags);
    return bun;
  } finally {
    release();
  }
}

/**
 * The beginning of each command: sets up, then hands over.
 *
 * @param {(bun: string, place: Place, rest: string[]) => Promise<number>} command gets the command line without the build
 *   flags, and an environment whose PATH begins with the pinned Bun; resolves to the exit code
 */
export async function main(command) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  try {
    if (Number.parseInt(process.versions.node, 10) < oldestNode) {
      throw new SetupError(`Expected Node ${oldestNode} or newer but this is ${process.versions.node}.`);
    }
    const { flags, rest } = splitArguments(process.argv.slice(2));
    const bun = await setUp({ root, env: process.env }, flags);
    const env = { ...process.env, PATH: `${dirname(bun)}:${process.env.PATH ?? ""}` };
    process.exitCode = await command(bun, { root, env }, rest);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}
