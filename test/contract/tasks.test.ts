/** The contract on both stores. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import { tasksContract } from "./tasks.ts";

tasksContract("tasks on SQLite", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tasks-"));
  const [store, other] = [openSqliteStore(dir), openSqliteStore(dir)];
  return {
    tasks: store.tasks,
    again: other.tasks,
    async close() {
      await store.close();
      await other.close();
      await rm(dir, { recursive: true });
    },
  };
});
