/** What every store of tasks keeps to. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { NewTask, Progress, Task, TaskLimits, Tasks } from "../../src/store/tasks.ts";
import type { TestStores } from "../helpers/stores.ts";

const noLimits: TaskLimits = { perCaller: 1e6, maxBytes: 1e12 };
const nothing: Progress = { durationMs: 0, channels: 1, doneMs: 0, totalMs: 0 };
const failure = { message: "It broke", type: "server_error", param: null, code: "internal_error" };

/** `makeStores` gives empty ones. */
export function tasksContract(name: string, makeStores: () => Promise<TestStores>): void {
  describe(name, () => {
    let stores: TestStores;
    let tasks: Tasks;
    /** Those of another process. */
    let again: Tasks;
    let count = 0;

    beforeAll(async () => {
      stores = await makeStores();
      ({ tasks } = await stores.open());
      ({ tasks: again } = await stores.open());
    });
    afterAll(() => stores[Symbol.asyncDispose]());

    const newTask = (more: Partial<NewTask> = {}): NewTask => {
      count += 1;
      const id = `task_${String(count).padStart(6, "0")}`;
      const request = '{"text":"ünïcode \\u0000 \\"quoted\\""}';
      return {
        id,
        caller: `caller of ${id}`,
        createdAtMs: 1000 + count,
        request,
        blob: id,
        bytes: 10,
        ...more,
      };
    };
    const create = async (more: Partial<NewTask> = {}): Promise<NewTask> => {
      const task = newTask(more);
      expect(await tasks.create(task, noLimits)).toBe("created");
      return task;
    };
    const begin = async (id: string): Promise<Task> => {
      const task = await tasks.begin(id, 2000);
      if (!task) throw new Error(`Expected ${id} to begin`);
      return task;
    };
    const running = async (more: Partial<NewTask> = {}): Promise<Task> => begin((await create(more)).id);
    const completed = async (atMs: number, more: Partial<NewTask> = {}): Promise<Task> => {
      const task = await running(more);
      expect(await tasks.finish(task.id, task.attempt, { status: "completed", language: "en" }, atMs)).toBe(
        true,
      );
      return task;
    };
    const idsOf = (found: readonly Task[]) => found.map(({ id }) => id);

    describe("a record", () => {
      test("is as it was made, queued and empty", async () => {
        const task = await create();
        const found = await tasks.find(task.id);
        expect(found).toEqual({
          ...task,
          ...{ status: "queued", attempt: 0, losses: 0, startedAtMs: null, finishedAtMs: null },
          ...{ durationMs: 0, channels: 1, doneMs: 0, totalMs: 0, segments: 0, language: null, error: null },
        });
      });

      test("that was never made is not found, not begun and not cancelled", async () => {
        expect(await tasks.find("task_no")).toBeNull();
        expect(await tasks.begin("task_no", 1)).toBeNull();
        expect(await tasks.cancel("task_no", 1)).toBeNull();
        expect(await tasks.append("task_no", 1, 0, ["{}"], nothing)).toBe(false);
        expect(await tasks.finish("task_no", 0, { status: "completed", language: "en" }, 1)).toBe(false);
        expect(await tasks.giveBack("task_no", 0)).toBe(false);
        expect(await tasks.segments("task_no", 0, 10)).toEqual([]);
        expect(await tasks.find("task_no")).toBeNull();
      });

      test("is gone with its segments once removed, twice or not", async () => {
        const task = await running();
        await tasks.append(task.id, 1, 0, ["a"], nothing);
        await tasks.remove(task.id);
        await tasks.remove(task.id);
        expect(await tasks.find(task.id)).toBeNull();
        expect(await tasks.segments(task.id, 0, 10)).toEqual([]);
        expect(idsOf(await tasks.list(task.caller, { limit: 10 }))).toEqual([]);
        expect(idsOf(await tasks.unfinished(1000))).not.toContain(task.id);
        expect(await tasks.append(task.id, 1, 1, ["b"], nothing)).toBe(false);
        expect(await tasks.segments(task.id, 0, 10)).toEqual([]);
      });

      test("is seen by another process at once", async () => {
        const task = await running();
        await tasks.append(task.id, 1, 0, ["a", "b"], nothing);
        expect(await again.find(task.id)).toMatchObject({ status: "running", segments: 2 });
        expect(await again.segments(task.id, 1, 10)).toEqual(["b"]);
      });
    });

    describe("limits", () => {
      test("count what has not ended of one caller, not of others", async () => {
        const caller = "someone with two";
        const limits = { ...noLimits, perCaller: 2 };
        const first = await create({ caller });
        await create({ caller });
        const refused = newTask({ caller });
        expect(await tasks.create(refused, limits)).toBe("too many");
        expect(await tasks.find(refused.id)).toBeNull();
        expect(idsOf(await tasks.list(caller, { limit: 10 }))).not.toContain(refused.id);
        expect(await tasks.create(newTask({ caller: "someone else" }), limits)).toBe("created");
        await tasks.cancel(first.id, 3000);
        expect(await tasks.create(refused, limits)).toBe("created");
      });

      test("count the bytes of what has not ended, of all callers", async () => {
        const waiting = (await tasks.unfinished(1000)).reduce((sum, { bytes }) => sum + bytes, 0);
        const limits = { ...noLimits, maxBytes: waiting + 100 };
        const task = newTask({ bytes: 100 });
        expect(await tasks.create(newTask({ bytes: 101 }), limits)).toBe("too large");
        expect(await tasks.create(task, limits)).toBe("created");
        expect(await tasks.create(newTask({ bytes: 1 }), limits)).toBe("too large");
        const { attempt } = await begin(task.id);
        await tasks.finish(task.id, attempt, { status: "completed", language: "en" }, 3000);
        expect(await tasks.create(newTask({ bytes: 100 }), limits)).toBe("created");
      });

      test("hold when many come at the same time", async () => {
        const caller = "someone in a hurry";
        const made = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            (index % 2 ? tasks : again).create(newTask({ caller }), { ...noLimits, perCaller: 5 }),
          ),
        );
        expect(made.filter((one) => one === "created")).toHaveLength(5);
      });

      test("do not leak when a task that has not ended is removed", async () => {
        const caller = "someone who removes";
        const task = await create({ caller });
        await tasks.remove(task.id);
        expect(await tasks.create(newTask({ caller }), { ...noLimits, perCaller: 1 })).toBe("created");
      });
    });

    describe("an attempt", () => {
      test("is counted, and the time of the first one stays", async () => {
        const { id } = await create();
        expect(await tasks.begin(id, 2000)).toMatchObject({
          ...{ status: "running", attempt: 1, losses: 0, startedAtMs: 2000 },
        });
        expect(await tasks.begin(id, 3000)).toMatchObject({ attempt: 2, losses: 1, startedAtMs: 2000 });
      });

      test("that was given back is no loss", async () => {
        const task = await running();
        expect(await tasks.giveBack(task.id, 1)).toBe(true);
        expect(await tasks.find(task.id)).toMatchObject({ status: "queued", attempt: 1 });
        expect(await tasks.giveBack(task.id, 1)).toBe(false);
        expect(await begin(task.id)).toMatchObject({ status: "running", attempt: 2, losses: 0 });
      });

      test("writes nothing once another has begun", async () => {
        const { id } = await running();
        await tasks.append(id, 1, 0, ["a"], nothing);
        await begin(id);
        expect(await again.append(id, 1, 1, ["b"], { ...nothing, doneMs: 7 })).toBe(false);
        expect(await tasks.append(id, 3, 1, ["b"], nothing)).toBe(false);
        expect(await tasks.finish(id, 1, { status: "completed", language: "en" }, 1)).toBe(false);
        expect(await tasks.giveBack(id, 1)).toBe(false);
        expect(await tasks.find(id)).toMatchObject({ status: "running", segments: 1, doneMs: 0 });
        expect(await tasks.append(id, 2, 1, ["c"], nothing)).toBe(true);
        expect(await tasks.segments(id, 0, 10)).toEqual(["a", "c"]);
      });

      test("writes nothing while the task is queued again", async () => {
        const { id } = await running();
        await tasks.giveBack(id, 1);
        expect(await tasks.append(id, 1, 0, ["a"], nothing)).toBe(false);
        expect(await tasks.finish(id, 1, { status: "completed", language: "en" }, 1)).toBe(false);
      });

      test("tells how far it is, with and without segments", async () => {
        const { id } = await running();
        const progress = { durationMs: 9000, channels: 2, doneMs: 3000, totalMs: 8000 };
        expect(await tasks.append(id, 1, 0, [], progress)).toBe(true);
        expect(await tasks.find(id)).toMatchObject({ ...progress, segments: 0 });
        expect(await tasks.append(id, 1, 0, ["a", "b"], { ...progress, doneMs: 6000 })).toBe(true);
        expect(await tasks.find(id)).toMatchObject({ doneMs: 6000, segments: 2 });
      });

      test("replaces segments from an index on, and no others", async () => {
        const { id } = await running();
        await tasks.append(id, 1, 0, ["a", "b", "c", "d"], nothing);
        expect(await tasks.append(id, 1, 1, ["x"], nothing)).toBe(true);
        expect(await tasks.segments(id, 0, 10)).toEqual(["a", "x"]);
        expect(await tasks.find(id)).toMatchObject({ segments: 2 });
        await tasks.append(id, 1, 2, ["y"], nothing);
        expect(await tasks.segments(id, 0, 10)).toEqual(["a", "x", "y"]);
      });
    });

    describe("the end", () => {
      test("is kept with its outcome", async () => {
        const [good, bad] = [await running(), await running()];
        await tasks.finish(good.id, 1, { status: "completed", language: "de" }, 5000);
        await tasks.finish(bad.id, 1, { status: "failed", error: failure }, 6000);
        expect(await tasks.find(good.id)).toMatchObject({
          ...{ status: "completed", language: "de", finishedAtMs: 5000, error: null },
        });
        expect(await tasks.find(bad.id)).toMatchObject({
          ...{ status: "failed", language: null, finishedAtMs: 6000, error: failure },
        });
      });

      test("comes once: nothing changes a task that has ended", async () => {
        const { id } = await completed(5000);
        const before = await tasks.find(id);
        expect(await tasks.finish(id, 1, { status: "failed", error: failure }, 6000)).toBe(false);
        expect(await tasks.append(id, 1, 0, ["late"], nothing)).toBe(false);
        expect(await tasks.giveBack(id, 1)).toBe(false);
        expect(await tasks.begin(id, 6000)).toBeNull();
        expect(await tasks.cancel(id, 6000)).toEqual(before);
        expect(await tasks.find(id)).toEqual(before);
      });

      test("of a task that is cancelled while queued or running stops its attempt", async () => {
        const queued = await create();
        expect(await tasks.cancel(queued.id, 4000)).toMatchObject({
          status: "cancelled",
          finishedAtMs: 4000,
        });
        expect(await tasks.begin(queued.id, 5000)).toBeNull();
        const { id } = await running();
        await tasks.append(id, 1, 0, ["a"], nothing);
        expect(await again.cancel(id, 4000)).toMatchObject({ status: "cancelled", segments: 1 });
        expect(await tasks.append(id, 1, 1, ["b"], nothing)).toBe(false);
        expect(await tasks.finish(id, 1, { status: "completed", language: "en" }, 5000)).toBe(false);
        expect(await tasks.segments(id, 0, 10)).toEqual(["a"]);
      });

      test("is one and the same for all who race for it", async () => {
        for (let round = 0; round < 20; round++) {
          const { id } = await running();
          const [first, cancelled, second] = await Promise.all([
            tasks.finish(id, 1, { status: "completed", language: "en" }, 1),
            again.cancel(id, 2),
            tasks.finish(id, 1, { status: "failed", error: failure }, 3),
          ]);
          const task = await tasks.find(id);
          expect(cancelled?.status).toBe(task?.status as "cancelled");
          expect([first, task?.status === "cancelled", second].filter(Boolean)).toHaveLength(1);
        }
      });
    });

    describe("lists", () => {
      test("are the caller's own, newest first, page by page", async () => {
        const caller = "someone who lists";
        const made: string[] = [];
        for (let each = 0; each < 5; each++) {
          made.unshift((await create({ caller })).id);
          await create({ caller: "someone else who lists" });
        }
        expect(idsOf(await tasks.list(caller, { limit: 10 }))).toEqual(made);
        const page = await tasks.list(caller, { limit: 2 });
        const after = page[1]?.id ?? "";
        await create({ caller });
        expect(idsOf(await tasks.list(caller, { limit: 2, after }))).toEqual(made.slice(2, 4));
        await tasks.remove(after);
        expect(idsOf(await tasks.list(caller, { limit: 9, after }))).toEqual(made.slice(2));
        expect(await tasks.list("nobody", { limit: 10 })).toEqual([]);
      });

      test("can be of one status", async () => {
        const caller = "someone who filters";
        const queued = await create({ caller });
        const run = await running({ caller });
        const done = await completed(1, { caller });
        const left = await create({ caller });
        await tasks.cancel(left.id, 2);
        expect(idsOf(await tasks.list(caller, { limit: 9, status: "queued" }))).toEqual([queued.id]);
        expect(idsOf(await tasks.list(caller, { limit: 9, status: "running" }))).toEqual([run.id]);
        expect(idsOf(await tasks.list(caller, { limit: 9, status: "completed" }))).toEqual([done.id]);
        expect(idsOf(await tasks.list(caller, { limit: 9, status: "cancelled" }))).toEqual([left.id]);
        expect(idsOf(await tasks.list(caller, { limit: 9, status: "failed" }))).toEqual([]);
      });

      test("of one status fill their page, however many others lie between", async () => {
        const caller = "someone with many";
        const first = await completed(1, { caller });
        for (let each = 0; each < 150; each++) await create({ caller });
        const last = await completed(1, { caller });
        expect(idsOf(await tasks.list(caller, { limit: 5, status: "completed" }))).toEqual([
          last.id,
          first.id,
        ]);
        expect(idsOf(await tasks.list(caller, { limit: 1, status: "completed", after: last.id }))).toEqual([
          first.id,
        ]);
      });

      test("of segments are the same pages while more are appended", async () => {
        const { id } = await running();
        await tasks.append(id, 1, 0, ["a", "b", "c"], nothing);
        const page = await tasks.segments(id, 0, 2);
        await tasks.append(id, 1, 3, ["d"], nothing);
        expect(page).toEqual(["a", "b"]);
        expect(await tasks.segments(id, 0, 2)).toEqual(page);
        expect(await tasks.segments(id, 2, 2)).toEqual(["c", "d"]);
        expect(await tasks.segments(id, 4, 2)).toEqual([]);
      });

      test("of what has not ended are complete, page by page", async () => {
        const queued = await create();
        const run = await running();
        const { id: done } = await completed(1);
        const found: string[] = [];
        let page: readonly Task[];
        do {
          page = await tasks.unfinished(3, found.at(-1));
          found.push(...idsOf(page));
        } while (page.length > 0);
        expect(found).toContain(queued.id);
        expect(found).toContain(run.id);
        expect(found).not.toContain(done);
        expect(new Set(found).size).toBe(found.length);
      });

      test("of what ended before a time leave out later ends", async () => {
        const old = await completed(100);
        const late = await completed(200_000);
        const left = await create();
        await tasks.cancel(left.id, 150);
        const found = idsOf(await tasks.endedBefore(200_000, 1000));
        expect(found).toContain(old.id);
        expect(found).toContain(left.id);
        expect(found).not.toContain(late.id);
        expect(await tasks.endedBefore(200_001, 1)).toHaveLength(1);
        expect(idsOf(await tasks.endedBefore(200_000, 1000, 1))).toEqual(found.slice(1));
        await tasks.remove(old.id);
        expect(idsOf(await tasks.endedBefore(200_000, 1000))).not.toContain(old.id);
      });
    });
  });
}
