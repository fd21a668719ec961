/** What the addon is built with: flags of `npm start` and `npm test`, or what the machine has. */
import { ask, SetupError, which } from "./command.mjs";

/** flag -> CMake options. `--cpu` says: nothing of these. */
const known = /** @type {const} */ ({
  "--cpu": [],
  "--cuda": ["GGML_CUDA=ON"],
  "--vulkan": ["GGML_VULKAN=ON"],
});

/** @typedef {keyof typeof known} BuildFlag */

/** @param {string} argument @returns {argument is BuildFlag} */
function isBuildFlag(argument) {
  return Object.hasOwn(known, argument);
}

/**
 * Takes the build flags out of a command line; the rest is the server's or bun test's.
 *
 * @param {string[]} args
 * @returns {{ flags: BuildFlag[] | null, rest: string[] }} flags: null when none was given
 */
export function splitArguments(args) {
  const flags = [...new Set(args.filter(isBuildFlag))].sort();
  if (flags.includes("--cpu") && flags.length > 1) {
    throw new SetupError(`Expected --cpu or other back ends but received ${flags.join(" ")}`);
  }
  return { flags: flags.length > 0 ? flags : null, rest: args.filter((argument) => !isBuildFlag(argument)) };
}

/** @param {readonly BuildFlag[]} flags @returns {string[]} e.g. GGML_CUDA=ON */
export function cmakeOptions(flags) {
  return flags.flatMap((flag) => known[flag]);
}

/**
 * What to build when nobody said: CUDA where there are both its compiler and a device (an nvcc alone, as in a base image,
 * must not start a half-hour build for nothing). Metal is CMake's default on macOS.
 *
 * @param {NodeJS.ProcessEnv} env
 * @returns {BuildFlag[]}
 */
export function detectFlags(env) {
  const hasDevice = () => /^GPU \d+:/m.test(ask("nvidia-smi", ["-L"], env) ?? "");
  return which("nvcc", env) && hasDevice() ? ["--cuda"] : ["--cpu"];
}
