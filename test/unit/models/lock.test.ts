import { beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { acquireLock } from "../../../src/models/lock.mjs";
import { folderForEachTest } from "../../helpers/folder-hooks.ts";

const folder = folderForEachTest();
let path: string;
beforeEach(() => {
  path = join(folder.path, "lock");
});

const heldBy = (pid: number, host = hostname()) => `${pid} ${host}`;

/** The number of a process that has just ended. */
function deadPid(): number {
  return Bun.spawnSync([process.execPath, "--version"]).pid;
}

test("the lock of a running process is waited for, and then taken", async () => {
  const release = await acquireLock(path);
  const { promise: waiting, resolve } = Promise.withResolvers<number>();
  const second = acquireLock(path, { onWait: resolve });
  expect(await waiting).toBe(process.pid);
  release();
  release();
  const releaseSecond = await second;
  expect(readFileSync(path, "utf8")).toBe(heldBy(process.pid));
  releaseSecond();
  expect(existsSync(path)).toBe(false);
});

test("waiting can be given up", async () => {
  const release = await acquireLock(path);
  const abort = new AbortController();
  const second = acquireLock(path, { signal: abort.signal, onWait: () => abort.abort() });
  expect(await second.catch((error) => error.name)).toBe("AbortError");
  release();
});

test("the lock of a process that died is taken over", async () => {
  writeFileSync(path, heldBy(deadPid()));
  (await acquireLock(path))();
  expect(readdirSync(folder.path)).toEqual([]);
});

test("a lock with our own number that is not ours is taken over: in a container every start may get the same", async () => {
  writeFileSync(path, heldBy(process.pid));
  (await acquireLock(path))();
  expect(readdirSync(folder.path)).toEqual([]);
});

test("the lock of another container is waited for, though its holder has our number, or one that nobody has here", async () => {
  for (const pid of [process.pid, deadPid()]) {
    writeFileSync(path, heldBy(pid, "another-container"));
    const { promise: waiting, resolve } = Promise.withResolvers<number>();
    const second = acquireLock(path, { onWait: resolve });
    expect(await waiting).toBe(pid);
    rmSync(path);
    (await second)();
  }
});

test("a lock that nobody has touched for long is taken over, whoever has its number now", async () => {
  writeFileSync(path, heldBy(1));
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(path, longAgo, longAgo);
  (await acquireLock(path))();
  expect(readdirSync(folder.path)).toEqual([]);
});

test("many processes over a stale lock hold it one after the other", async () => {
  writeFileSync(path, heldBy(deadPid()));
  const counter = join(folder.path, "counter");
  writeFileSync(counter, "0");
  const module = join(import.meta.dir, "..", "..", "..", "src", "models", "lock.mjs");
  // Reading and writing lie a turn of the event loop apart, so that two holders at a time lose a step.
  const script = `
    const { readFile, writeFile } = await import("node:fs/promises");
    const { acquireLock } = await import(${JSON.stringify(module)});
    for (let i = 0; i < 5; i++) {
      const release = await acquireLock(${JSON.stringify(path)});
      await writeFile(${JSON.stringify(counter)}, String(Number(await readFile(${JSON.stringify(counter)}, "utf8")) + 1));
      release();
    }`;
  const children = Array.from({ length: 5 }, () => Bun.spawn([process.execPath, "-e", script]));
  expect(await Promise.all(children.map(({ exited }) => exited))).toEqual([0, 0, 0, 0, 0]);
  expect(readFileSync(counter, "utf8")).toBe("25");
  expect(readdirSync(folder.path)).toEqual(["counter"]);
});
