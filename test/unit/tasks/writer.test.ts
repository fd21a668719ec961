import { expect, test } from "bun:test";
import { readSegment } from "../../../src/core/segment-json.ts";
import { StoreUnavailable } from "../../../src/store/store.ts";
import type { Tasks } from "../../../src/store/tasks.ts";
import { TaskWriter } from "../../../src/tasks/writer.ts";
import { testSegment } from "../../helpers/engine.ts";
import { memoryStore } from "../../helpers/stores.ts";

const at = (index: number, text = `s${index}`) => ({ index, segments: [testSegment(index, text)] });

/** A writer on a store in memory; `around` changes what the writer sees of it. */
async function open(around: (tasks: Tasks) => Partial<Tasks> = () => ({})) {
  const store = memoryStore();
  const { tasks } = store;
  await tasks.create(
    { id: "t", caller: "me", createdAtMs: 0, request: "{}", blob: "t", bytes: 1 },
    { perCaller: 9, maxBytes: 9 },
  );
  const task = await tasks.begin("t", 0);
  if (!task) throw new Error("It did not begin");
  const stop = new AbortController();
  const counts = { written: 0, lost: 0 };
  const seen = Object.assign(Object.create(tasks) as Tasks, around(tasks));
  const writer = new TaskWriter({
    ...{ tasks: seen, task, signal: stop.signal },
    written: () => void counts.written++,
    lost: () => void counts.lost++,
  });
  const texts = async () => (await tasks.segments("t", 0, 99)).map((text) => readSegment(text).text);
  return { store, tasks, writer, stop, counts, texts, [Symbol.asyncDispose]: () => store.close() };
}

test("what comes in the same moment is one write", async () => {
  await using opened = await open();
  const { writer, tasks, counts, texts } = opened;
  writer.tell({ durationMs: 5000, channels: 2 });
  for (const index of [0, 1, 2]) writer.correct(at(index));
  writer.tell({ doneMs: 3000, totalMs: 5000 });
  expect(await writer.flush()).toBe(true);
  expect(counts.written).toBe(1);
  expect(await texts()).toEqual(["s0", "s1", "s2"]);
  expect(await tasks.find("t")).toMatchObject({ segments: 3, durationMs: 5000, channels: 2, doneMs: 3000 });
});

test("corrections that wait are one: the later one holds", async () => {
  await using opened = await open();
  const { writer, texts } = opened;
  for (const index of [0, 1, 2, 3]) writer.correct(at(index));
  writer.correct(at(1, "x"));
  writer.correct(at(2, "y"));
  await writer.flush();
  expect(await texts()).toEqual(["s0", "x", "y"]);
  writer.correct(at(0, "z"));
  await writer.flush();
  expect(await texts()).toEqual(["z"]);
});

test("what comes while it writes is written after it, and before the outcome", async () => {
  const first = Promise.withResolvers<void>();
  await using opened = await open((tasks) => ({
    async append(...args) {
      await first.promise;
      return tasks.append(...args);
    },
  }));
  const { writer, tasks, texts } = opened;
  writer.correct(at(0));
  await Promise.resolve();
  writer.correct(at(1));
  const finished = writer.finish({ status: "completed", language: "en" });
  first.resolve();
  expect(await finished).toBe(true);
  expect(await texts()).toEqual(["s0", "s1"]);
  expect(await tasks.find("t")).toMatchObject({ status: "completed", segments: 2 });
});

test("an attempt that is not the current one is told so once, and writes no more", async () => {
  await using opened = await open();
  const { writer, tasks, counts, texts } = opened;
  await tasks.begin("t", 1);
  writer.correct(at(0));
  expect(await writer.flush()).toBe(false);
  writer.correct(at(1));
  expect(await writer.finish({ status: "completed", language: "en" })).toBe(false);
  expect(counts).toEqual({ written: 0, lost: 1 });
  expect(await texts()).toEqual([]);
  expect(await tasks.find("t")).toMatchObject({ status: "running" });
});

test("a store that is away is asked again, until it answers", async () => {
  let refusals = 2;
  await using opened = await open((tasks) => ({
    async append(...args) {
      if (refusals-- > 0) throw new StoreUnavailable(new Error("away"));
      return tasks.append(...args);
    },
  }));
  opened.writer.correct(at(0));
  expect(await opened.writer.finish({ status: "completed", language: "en" })).toBe(true);
  expect(await opened.texts()).toEqual(["s0"]);
});

test("a store that is away is left when the work stops", async () => {
  await using opened = await open(() => ({
    append: () => Promise.reject(new StoreUnavailable(new Error("away"))),
  }));
  opened.writer.correct(at(0));
  opened.stop.abort();
  const error = await opened.writer.flush().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StoreUnavailable);
});
