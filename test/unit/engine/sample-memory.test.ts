import { expect, test } from "bun:test";
import { SampleMemory } from "../../../src/engine/sample-memory.ts";

const never = new AbortController().signal;
/** Whether it has settled by now. */
const isTaken = (room: Promise<unknown>) => Promise.race([room.then(() => true), Promise.resolve(false)]);
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("who finds no room waits for it, in the order of arrival", async () => {
  const memory = new SampleMemory(100);
  const first = await memory.take(60, never);
  const large = memory.take(80, never);
  const small = memory.take(10, never);
  await turn();
  expect([await isTaken(large), await isTaken(small)]).toEqual([false, false]);
  first.release();
  expect((await large) && (await small)).toBeTruthy();
});

test("room that is given back twice is there once", async () => {
  const memory = new SampleMemory(100);
  const room = await memory.take(100, never);
  room.shrink(40);
  room.shrink(70); // it does not grow
  const rest = await memory.take(60, never);
  const next = memory.take(41, never);
  room.release();
  room.release();
  await turn();
  expect(await isTaken(next)).toBe(false);
  rest.release();
  await next;
});

test("who leaves makes way for those behind him", async () => {
  const memory = new SampleMemory(100);
  await memory.take(50, never);
  const left = new AbortController();
  const large = memory.take(60, left.signal);
  const small = memory.take(50, never);
  left.abort();
  await expect(large).rejects.toMatchObject({ code: "request_cancelled" });
  await small;
  await expect(memory.take(1, left.signal)).rejects.toMatchObject({ code: "request_cancelled" });
});
