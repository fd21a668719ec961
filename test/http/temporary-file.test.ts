import { expect, test } from "bun:test";
import { readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { basename, join } from "node:path";
import { removeLeftovers, TemporaryFile } from "../../src/http/temporary-file.ts";
import { folderForEachTest } from "../helpers/folder-hooks.ts";

const folder = folderForEachTest();

/** A file as another process of this host, or of another host, would have made it. */
async function fileOf(pid: number, host?: string): Promise<string> {
  const file = await TemporaryFile.create(folder.path);
  await file.close();
  const [prefix, kind, own, , random] = basename(file.path).split("-");
  const name = [prefix, kind, host ?? own, pid, random].join("-");
  await rename(file.path, join(folder.path, name));
  return name;
}

/** Of a process that has just ended. */
async function deadPid(): Promise<number> {
  const child = Bun.spawn(["true"]);
  await child.exited;
  return child.pid;
}

const age = (name: string, ms: number) => {
  const then = new Date(Date.now() - ms);
  return utimes(join(folder.path, name), then, then);
};

test("a temporary file is private and goes with its scope", async () => {
  const nested = join(folder.path, "a", "b");
  {
    await using file = await TemporaryFile.create(nested);
    await file.write(new Uint8Array([1, 2]));
    await file.write(new Uint8Array([3]));
    expect(await Bun.file(file.path).bytes()).toEqual(new Uint8Array([1, 2, 3]));
    expect((await stat(file.path)).mode & 0o777).toBe(0o600);
    expect((await stat(nested)).mode & 0o777).toBe(0o700);
    await file.close();
  }
  expect(await readdir(nested)).toEqual([]);
});

test("disposal may come twice, and after the file is gone", async () => {
  const file = await TemporaryFile.create(folder.path);
  await rm(file.path);
  await file[Symbol.asyncDispose]();
  await file[Symbol.asyncDispose]();
  expect(await readdir(folder.path)).toEqual([]);
});

test("leftovers of a dead process are removed", async () => {
  await fileOf(await deadPid());
  await fileOf(await deadPid());
  expect(await removeLeftovers(folder.path)).toBe(2);
  expect(await readdir(folder.path)).toEqual([]);
});

test("files of a living process stay", async () => {
  const child = Bun.spawn(["cat"], { stdin: "pipe" });
  const names = [await fileOf(child.pid), await fileOf(process.pid)];
  expect(await removeLeftovers(folder.path)).toBe(0);
  expect((await readdir(folder.path)).sort()).toEqual(names.sort());
  child.stdin.end();
  await child.exited;
});

test("a file with our process id that is older than we are is a leftover: containers reuse ids", async () => {
  const name = await fileOf(process.pid);
  await age(name, process.uptime() * 1000 + 60_000);
  expect(await removeLeftovers(folder.path)).toBe(1);
});

test("files of another host go only when no request can still need them", async () => {
  const pid = await deadPid();
  const fresh = await fileOf(pid, "01234567");
  await age(await fileOf(pid, "01234567"), 48 * 3_600_000);
  expect(await removeLeftovers(folder.path)).toBe(1);
  expect(await readdir(folder.path)).toEqual([fresh]);
});

test("files that are not ours stay", async () => {
  const pid = await deadPid();
  const names = ["song.wav", `whisper-upload-${pid}`, `whisper-upload-0123-${pid}-x`, ".hidden"];
  for (const name of names) await Bun.write(join(folder.path, name), "x");
  expect(await removeLeftovers(folder.path)).toBe(0);
  expect((await readdir(folder.path)).sort()).toEqual(names.sort());
});

test("a directory that does not exist has no leftovers", async () => {
  expect(await removeLeftovers(join(folder.path, "none"))).toBe(0);
});
