/** Running other programs: found on a given PATH, with their output line by line, and never left behind. */
import { spawn, spawnSync } from "node:child_process";
import { constants as access, accessSync, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";

/** A step that failed in a way that the person can do something about: its message is all that is shown. */
export class SetupError extends Error {}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | null} the program's path
 */
export function which(name, env) {
  for (const folder of (env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const path = join(folder, name);
    try {
      accessSync(path, access.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not in this folder
    }
  }
  return null;
}

/**
 * What a quick command prints, or null when it fails or is not there.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {string} [input] for its stdin
 */
export function ask(command, args, env, input = "") {
  const { status, stdout } = spawnSync(command, args, { env, input, encoding: "utf8", timeout: 20_000 });
  return status === 0 ? stdout.trim() : null;
}

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();
const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** What to exit with when the last child has gone: a signal has come. @type {number | null} */
let stopCode = null;

// Children have a process group of their own, so that stopping this process stops the compilers that they started.
function stopAll(/** @type {NodeJS.Signals} */ signal) {
  stopCode ??= 128 + constants.signals[signal];
  for (const child of running) {
    try {
      if (child.pid) process.kill(-child.pid, signal);
    } catch {
      // ended just now
    }
  }
}

/**
 * Runs a command to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, onLine?: (line: string) => void }} options onLine: gets what it prints;
 *   without it the output goes straight to this process's stderr
 * @returns {Promise<number>} its exit code; 127 when it cannot be started
 */
export function run(command, args, { cwd, env, onLine }) {
  if (running.size === 0) for (const signal of signals) process.on(signal, stopAll);
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: onLine ? ["ignore", "pipe", "pipe"] : ["ignore", 2, 2],
    });
    running.add(child);
    if (onLine) {
      for (const stream of [child.stdout, child.stderr]) {
        if (stream) createInterface({ input: stream }).on("line", onLine);
      }
    }
    let ended = false;
    const end = (/** @type {number} */ code) => {
      if (ended) return;
      ended = true;
      running.delete(child);
      if (stopCode !== null) process.exit(stopCode);
      if (running.size === 0) for (const signal of signals) process.off(signal, stopAll);
      resolve(code);
    };
    child.on("error", () => end(127));
    child.on("close", (code) => end(code ?? 1));
  });
}

/**
 * Runs a command in this process's place, as far as Node can: same terminal, signals handed on, its exit code becomes
 * ours. A signal reaches it exactly once: it has a group of its own (Ctrl-C goes to the whole group of a terminal, and npm
 * forwards it once more), and repeats within a second are dropped.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv }} options
 * @returns {Promise<number>} its exit code
 */
export function become(command, args, { cwd, env }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, detached: true, stdio: "inherit" });
    let lastMs = Number.NEGATIVE_INFINITY;
    for (const signal of signals) {
      process.on(signal, () => {
        if (performance.now() - lastMs < 1_000) return;
        lastMs = performance.now();
        child.kill(signal);
      });
    }
    child.on("error", (error) => {
      console.error(error.message);
      resolve(127);
    });
    child.on("close", (code) => resolve(code ?? 1));
  });
}
