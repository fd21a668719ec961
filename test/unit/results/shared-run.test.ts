import { expect, test } from "bun:test";
import { AppError } from "../../../src/core/errors.ts";
import type { TranscriptEvent } from "../../../src/core/transcript.ts";
import { EventQueue } from "../../../src/engine/event-queue.ts";
import { SharedRun } from "../../../src/results/shared-run.ts";

const event = (doneMs: number): TranscriptEvent => ({ type: "progress", doneMs, totalMs: 10 });
const never = new AbortController().signal;

/** A run that says what the test pushes. */
function begin() {
  const queue = new EventQueue<TranscriptEvent>();
  const admitted = Promise.withResolvers<void>();
  let signal = never;
  const run = new SharedRun("request", async (given) => {
    signal = given;
    given.addEventListener("abort", () => queue.close(AppError.cancelled(given)));
    await admitted.promise;
    return queue.read(() => {});
  });
  return { run, queue, admitted, isCancelled: () => signal.aborted };
}

const cancelled = expect.objectContaining({ code: "request_cancelled" });

test("everyone hears all of it, from the start, also after its end", async () => {
  const { run, queue, admitted } = begin();
  admitted.resolve();
  const first = Array.fromAsync(await run.listen(never));
  queue.push(event(1));
  const second = Array.fromAsync(await run.listen(never));
  queue.push(event(2));
  queue.close();
  const all = [event(1), event(2)];
  expect(await run.result).toEqual(all);
  expect(await first).toEqual(all);
  expect(await second).toEqual(all);
  expect(run.isOpen).toBe(true);
  expect(await Array.fromAsync(await run.listen(never))).toEqual(all);
});

test("who does not read holds up nobody", async () => {
  const { run, queue, admitted } = begin();
  admitted.resolve();
  const slow = (await run.listen(never))[Symbol.asyncIterator]();
  const quick = Array.fromAsync(await run.listen(never));
  for (let index = 0; index < 1000; index += 1) queue.push(event(index));
  queue.close();
  expect(await quick).toHaveLength(1000);
  expect((await slow.next()).value).toEqual(event(0));
});

test("it goes on when one leaves, and stops when the last one has", async () => {
  const { run, queue, admitted, isCancelled } = begin();
  admitted.resolve();
  const leaver = new AbortController();
  const left = Array.fromAsync(await run.listen(leaver.signal)).catch((error: unknown) => error);
  const stays = (await run.listen(never))[Symbol.asyncIterator]();
  leaver.abort();
  expect(await left).toEqual(cancelled);
  expect(isCancelled()).toBe(false);
  queue.push(event(1));
  expect((await stays.next()).value).toEqual(event(1));
  await stays.return?.();
  expect(isCancelled()).toBe(true);
  expect(run.isOpen).toBe(false);
  expect(await run.result).toBeNull();
});

test("who leaves before it has begun is told when it has begun, and not before", async () => {
  const { run, admitted, isCancelled } = begin();
  const leaver = new AbortController();
  let settled = false;
  const left = run
    .listen(leaver.signal)
    .catch((error: unknown) => error)
    .finally(() => {
      settled = true;
    });
  const stays = run.listen(never);
  leaver.abort();
  await Bun.sleep(0);
  expect(settled).toBe(false);
  expect(isCancelled()).toBe(false);
  admitted.resolve();
  const events = await left;
  await stays;
  expect(Array.fromAsync(events as AsyncIterable<TranscriptEvent>)).rejects.toEqual(cancelled);
});

test("one whose signal has fired already is as if he had left at once", async () => {
  const { run, admitted, isCancelled } = begin();
  const listening = run.listen(AbortSignal.abort());
  expect(isCancelled()).toBe(true);
  admitted.reject(new AppError("request_cancelled", "The request was cancelled"));
  await expect(listening).rejects.toEqual(cancelled);
});

test("a refusal is everyone's, and nobody may join any more", async () => {
  const { run, admitted } = begin();
  const listening = Promise.allSettled([run.listen(never), run.listen(never)]);
  const refusal = new AppError("corrupt_audio", "The recording breaks off");
  admitted.reject(refusal);
  expect((await listening).map((one) => one.status === "rejected" && one.reason)).toEqual([refusal, refusal]);
  expect(run.isOpen).toBe(false);
  expect(await run.result).toBeNull();
});

test("a failure comes after what was said, to everyone", async () => {
  const { run, queue, admitted } = begin();
  admitted.resolve();
  const listening = [await run.listen(never), await run.listen(never)];
  queue.push(event(1));
  const failure = new AppError("internal_error", "The transcription failed");
  queue.close(failure);
  expect(await run.result).toBeNull();
  for (const events of listening) {
    const iterator = events[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toEqual(event(1));
    await expect(iterator.next()).rejects.toBe(failure);
  }
  expect(run.isOpen).toBe(false);
});

test("leaving twice counts once", async () => {
  const { run, admitted, isCancelled } = begin();
  admitted.resolve();
  const leaver = new AbortController();
  const events = (await run.listen(leaver.signal))[Symbol.asyncIterator]();
  await run.listen(never);
  leaver.abort();
  await events.next().catch(() => {});
  await events.return?.();
  expect(isCancelled()).toBe(false);
});
