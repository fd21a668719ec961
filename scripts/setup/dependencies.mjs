/** node_modules/ exactly as bun.lock says. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, SetupError } from "./command.mjs";

/** @typedef {import("./setup.mjs").Place} Place */

/** @param {Place} place */
export function dependenciesAreReady(place) {
  const stamp = stampPath(place);
  return existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint(place);
}

/**
 * @param {Place} place
 * @param {string} bun its path
 */
export async function installDependencies(place, bun) {
  console.error("Dependencies: installing what bun.lock pins");
  const code = await run(bun, ["install", "--frozen-lockfile", "--no-summary"], {
    cwd: place.root,
    env: place.env,
  });
  if (code !== 0) throw new SetupError("The dependencies could not be installed: see bun's message above.");
  writeFileSync(stampPath(place), fingerprint(place));
}

/** @param {Place} place */
function stampPath({ root }) {
  return join(root, "node_modules", ".installed");
}

/** The platform is in it because some packages have binaries. @param {Place} place */
function fingerprint({ root }) {
  const lock = readFileSync(join(root, "bun.lock"));
  return createHash("sha256").update(`${process.platform}-${process.arch}\n`).update(lock).digest("hex");
}
