import { expect, test } from "bun:test";
import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { DiskBlobs } from "../../../src/store/blobs/disk.ts";
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";
import { sweep } from "../../../src/tasks/sweep.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { recordingLog } from "../../helpers/log.ts";
import { cacheLimits } from "../../helpers/stores.ts";

const hourMs = 3_600_000;

/** A store with recordings on disk, all an hour old unless `young`. */
async function open() {
  const folder = temporaryFolder();
  const dir = folder.path;
  const { log } = recordingLog();
  const blobs = new DiskBlobs(join(dir, "blobs"));
  const store = openSqliteStore(":memory:", { log, cache: cacheLimits, blobs });
  const { tasks, jobs } = store;
  const removed: string[] = [];
  const waiting = new Set<string>();
  const watchers = {
    isWaiting: async (id: string) => waiting.has(id),
    removed: async (id: string) => void removed.push(id),
  };
  return {
    tasks,
    jobs,
    removed,
    waiting,
    sweep: (ttlMs = hourMs) => sweep({ tasks, jobs, blobs, watchers, ttlMs, log }),
    blobs: async () => (await readdir(join(dir, "blobs"))).sort(),
    async blob(id: string, ageMs = hourMs) {
      await Bun.write(join(dir, "upload"), "RIFF");
      await blobs.put(id, join(dir, "upload"));
      const at = (Date.now() - ageMs) / 1000;
      await utimes(join(dir, "blobs", id), at, at);
    },
    async task(id: string, endedAtMs?: number) {
      const task = { id, caller: "me", createdAtMs: 0, request: "{}", blob: id, bytes: 1 };
      await tasks.create(task, { perCaller: 1000, maxBytes: 1000 });
      if (endedAtMs !== undefined) await tasks.cancel(id, endedAtMs);
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      folder[Symbol.dispose]();
    },
  };
}

test("recordings without a task, or of one that has ended, go; those that wait stay, and those that just came", async () => {
  await using opened = await open();
  await opened.task("waits");
  await opened.task("ended", Date.now());
  for (const id of ["waits", "ended", "orphan"]) await opened.blob(id);
  await opened.blob("just-came", 1000);
  await opened.sweep();
  expect(await opened.blobs()).toEqual(["just-came", "waits"]);
});

test("tasks that ended long ago go, with what belongs to them; others stay", async () => {
  await using opened = await open();
  for (let each = 0; each < 250; each++) await opened.task(`old-${each}`, Date.now() - 2 * hourMs);
  await opened.blob("old-0");
  await opened.task("fresh", Date.now() - 1000);
  await opened.task("waits");
  await opened.sweep();
  expect(await opened.tasks.find("old-249")).toBeNull();
  expect(opened.removed).toHaveLength(250);
  expect(await opened.blobs()).toEqual([]);
  expect(await opened.tasks.find("fresh")).not.toBeNull();
  expect(await opened.tasks.find("waits")).not.toBeNull();
});

test("tasks whose end somebody is still to be told of stay, without their recordings, however many they are", async () => {
  await using opened = await open();
  for (let each = 0; each < 250; each++) {
    await opened.task(`old-${each}`, Date.now() - 2 * hourMs + each);
    if (each % 2 === 0) opened.waiting.add(`old-${each}`);
  }
  await opened.blob("old-0");
  await opened.sweep();
  expect(opened.removed).toHaveLength(125);
  expect(await opened.tasks.find("old-248")).not.toBeNull();
  expect(await opened.tasks.find("old-249")).toBeNull();
  expect(await opened.blobs()).toEqual([]);
  opened.waiting.clear();
  await opened.sweep();
  expect(opened.removed).toHaveLength(250);
});

test("tasks that have not ended get the job that they lack, once", async () => {
  await using opened = await open();
  for (let each = 0; each < 250; each++) await opened.task(`task-${each}`);
  await opened.task("ended", Date.now());
  await opened.jobs.add("transcription", "task-7");
  await opened.sweep();
  await opened.sweep();
  expect(await opened.jobs.count("transcription")).toEqual({ waiting: 250, running: 0 });
});
