/** The files of the embedded store. */
import { expect, test } from "bun:test";
import { chmod, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { quietOptions } from "../../helpers/stores.ts";

test("are their owner's alone, also in a folder that others may read: they hold transcripts and secrets", async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const store = openSqliteStore(folder.path, quietOptions());
  await store.cache.put("key", new Uint8Array([7]));
  await store.jobs.add("delivery", "one");
  const files = (await readdir(folder.path)).filter((name) => name.includes(".db"));
  expect(files.sort()).toEqual([
    "scratch.db",
    "scratch.db-shm",
    "scratch.db-wal",
    "state.db",
    "state.db-shm",
    "state.db-wal",
  ]);
  for (const name of files)
    expect([name, (await stat(join(folder.path, name))).mode & 0o777]).toEqual([name, 0o600]);
  await store.close();
});
