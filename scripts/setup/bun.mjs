/** Bun at the version that package.json pins: the one on PATH if it is that, else one of our own in .cache/. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, run, SetupError, which } from "./command.mjs";

/** @typedef {import("./setup.mjs").Place} Place */

/** @param {Place} place @returns {string} the version that package.json pins */
export function pinnedBun({ root }) {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")).engines.bun;
}

/** @param {Place} place @returns {string | null} the path of a Bun of exactly that version */
export function findBun(place) {
  const pinned = pinnedBun(place);
  const candidates = [which("bun", place.env), localBun(place)];
  return candidates.find((path) => path !== null && ask(path, ["--version"], place.env) === pinned) ?? null;
}

/**
 * Installs it from the npm registry: the platform's package itself, because `bun` only chooses one of those in an install
 * script. npm verifies the registry's digest.
 *
 * @param {Place} place
 * @returns {Promise<string>} its path
 */
export async function installBun(place) {
  const pinned = pinnedBun(place);
  console.error(`Bun ${pinned}: not on PATH, installing it in .cache/`);
  const code = await run(
    "npm",
    [
      "install",
      "--prefix",
      localPrefix(place),
      "--no-save",
      "--no-package-lock",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
      `${platformPackage()}@${pinned}`,
    ],
    { cwd: place.root, env: place.env },
  );
  const path = findBun(place);
  if (code !== 0 || !path) {
    throw new SetupError(
      `Bun ${pinned} could not be installed from the npm registry. Install it by hand (https://bun.sh) and start again.`,
    );
  }
  return path;
}

/** @param {Place} place */
function localPrefix({ root }) {
  return join(root, ".cache", "bun");
}

/** @param {Place} place */
function localBun(place) {
  const path = join(localPrefix(place), "node_modules", platformPackage(), "bin", "bun");
  return existsSync(path) ? path : null;
}

/** The npm package with the binary for this machine, as in the list of the package `bun`. */
function platformPackage() {
  const { platform, arch } = process;
  if (!["linux", "darwin"].includes(platform) || !["x64", "arm64"].includes(arch)) {
    throw new SetupError(
      `Expected Linux or macOS on x64 or arm64 but found ${platform} on ${arch}. On Windows use WSL or Docker.`,
    );
  }
  const musl = platform === "linux" && readdirSync("/lib").some((name) => name.startsWith("ld-musl-"));
  const parts = ["bun", platform, arch === "arm64" ? "aarch64" : "x64"];
  if (musl) parts.push("musl");
  if (arch === "x64" && !hasAvx2()) parts.push("baseline");
  return `@oven/${parts.join("-")}`;
}

/** Whether the processor has AVX2, which Bun's usual x64 build needs. */
function hasAvx2() {
  if (process.platform === "linux") return /\bavx2\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  return /\bAVX2\b/.test(ask("sysctl", ["-n", "machdep.cpu.leaf7_features"], process.env) ?? "");
}
