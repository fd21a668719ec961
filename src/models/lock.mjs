/**
 * A lock between processes, as a file: one builds, or downloads a model, the others wait. Plain JavaScript, because the
 * set-up scripts use it on Node before there is a Bun.
 */
import { linkSync, readFileSync, rmSync, statSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const beatMs = 2_000;
/**
 * A holder that has not touched its lock for so long is gone, even when another process has got its number since. Of a holder on
 * another machine, or in another container with the same folder, nothing else can be known.
 */
const staleMs = 30_000;
const pollMs = 100;
/** @type {Set<string>} locks of this process */
const ours = new Set();

/**
 * Waits until this process holds the lock. The holder's process id and machine are the file's content.
 *
 * @param {string} path in an existing folder
 * @param {{ onWait?: (pid: number) => void, signal?: AbortSignal }} [options] onWait: called once, when another process
 *   holds it
 * @returns {Promise<() => void>} releases it; idempotent
 */
export async function acquireLock(path, { onWait, signal } = {}) {
  let waiting = false;
  while (!tryCreate(path)) {
    if (removeStale(path)) continue;
    if (!waiting) onWait?.(readHolder(path).pid);
    waiting = true;
    await sleep(pollMs, undefined, signal ? { signal } : {});
  }
  const beat = setInterval(() => touch(path), beatMs);
  beat.unref();
  ours.add(path);
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    ours.delete(path);
    clearInterval(beat);
    rmSync(path, { force: true });
  };
}

/** @param {string} path */
function tryCreate(path) {
  try {
    writeFileSync(path, `${process.pid} ${hostname()}`, { flag: "wx" });
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

/**
 * Removes the lock of a process that is gone. Two processes may try at once: only the one that makes the hard link may
 * remove the file that it links to, so that a fresh lock is never removed in place of the stale one.
 *
 * @param {string} path
 * @returns {boolean} whether it is worth trying again at once
 */
function removeStale(path) {
  const holder = readHolder(path);
  if (ours.has(path) || !isStale(path, holder)) return false;
  const claim = `${path}.stale-${holder.pid}`;
  try {
    linkSync(path, claim);
  } catch (error) {
    return hasCode(error, "ENOENT");
  }
  if (isStale(claim, readHolder(claim))) rmSync(path, { force: true });
  unlinkSync(claim);
  return true;
}

/**
 * @param {string} path
 * @param {{ pid: number, host: string }} holder
 */
function isStale(path, { pid, host }) {
  try {
    // Our own number in a lock that is not ours: in a container each start may get the same one.
    const isGone = pid > 0 && host === hostname() && (pid === process.pid || !isRunning(pid));
    return isGone || Date.now() - statSync(path).mtimeMs > staleMs;
  } catch {
    return false;
  }
}

/** @param {string} path @returns {{ pid: number, host: string }} pid 0 when there is none yet */
function readHolder(path) {
  try {
    const [pid = "", host = ""] = readFileSync(path, "utf8").split(" ");
    return { pid: Number.parseInt(pid, 10) || 0, host };
  } catch {
    return { pid: 0, host: "" };
  }
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}

/** @param {string} path */
function touch(path) {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // Removed by hand: the work goes on, as it would without a beat.
  }
}

/** @param {unknown} error @param {string} code */
function hasCode(error, code) {
  return error instanceof Error && "code" in error && error.code === code;
}
