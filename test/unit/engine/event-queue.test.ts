import { expect, test } from "bun:test";
import { EventQueue } from "../../../src/engine/event-queue.ts";

const nothing = () => {};

test("gives what was pushed, in order, whether before or during the reading", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.push(2);
  const reader = queue.read(nothing);
  expect(await reader.next()).toEqual({ done: false, value: 1 });
  expect(await reader.next()).toEqual({ done: false, value: 2 });
  const next = reader.next();
  queue.push(3);
  expect(await next).toEqual({ done: false, value: 3 });
});

test("ends after what is queued", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.close();
  queue.push(2);
  expect(await Array.fromAsync(queue.read(nothing))).toEqual([1]);
});

test("throws after what is queued when it was closed with an error", async () => {
  const queue = new EventQueue<number>();
  queue.push(1);
  queue.close(new Error("broken"));
  const reader = queue.read(nothing);
  expect(await reader.next()).toEqual({ done: false, value: 1 });
  await expect(reader.next()).rejects.toThrow("broken");
});

test("keeps its first end", async () => {
  const ended = new EventQueue<number>();
  ended.close();
  ended.close(new Error("too late"));
  expect(await Array.fromAsync(ended.read(nothing))).toEqual([]);
  const failed = new EventQueue<number>();
  failed.close(new Error("first"));
  failed.close();
  await expect(Array.fromAsync(failed.read(nothing))).rejects.toThrow("first");
});

test("wakes a reader that waits, with the end and with an error", async () => {
  const ended = new EventQueue<number>();
  const last = ended.read(nothing).next();
  ended.close();
  expect(await last).toEqual({ done: true, value: undefined });
  const failed = new EventQueue<number>();
  const failing = failed.read(nothing).next();
  failed.close(new Error("broken"));
  await expect(failing).rejects.toThrow("broken");
});

test.each(["to its end", "to an error", "and left early"])("tells once when it was read %s", async (how) => {
  const queue = new EventQueue<number>();
  let left = 0;
  queue.push(1);
  queue.push(2);
  queue.close(how === "to an error" ? new Error("broken") : undefined);
  const read = async () => {
    for await (const _ of queue.read(() => left++)) if (how === "and left early") break;
  };
  await read().catch(nothing);
  expect(left).toBe(1);
});

test("tells of a reader that leaves while it waits, when the next event comes", async () => {
  const queue = new EventQueue<number>();
  const { promise, resolve } = Promise.withResolvers<void>();
  const reader = queue.read(resolve);
  const next = reader.next();
  const returned = reader.return();
  queue.push(1);
  expect(await next).toEqual({ done: false, value: 1 });
  await returned;
  await promise;
});

test("gives a hundred thousand events in order without growing slow", async () => {
  const queue = new EventQueue<number>();
  for (let value = 0; value < 100_000; value += 1) queue.push(value);
  queue.close();
  const values = await Array.fromAsync(queue.read(nothing));
  expect(values).toHaveLength(100_000);
  expect(values.every((value, index) => value === index)).toBe(true);
});
