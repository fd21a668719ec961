import { describe, expect, test } from "bun:test";
import type { Priority } from "../../../src/core/options.ts";
import { Admission, type Ticket } from "../../../src/engine/admission.ts";
import { refusal } from "../../helpers/refusal.ts";

const never = new AbortController().signal;

/** One place, and a clock that stands still until it is set. */
function admission(limits: Partial<{ maxRuns: number; maxQueue: number }> = {}) {
  const clock = { ms: 0 };
  const subject = new Admission({ maxRuns: 1, maxQueue: 10, ...limits }, () => clock.ms);
  const order: string[] = [];
  const enter = (name: string, priority: Priority = "request", signal: AbortSignal = never) =>
    subject.enter(priority, signal).then((ticket) => {
      order.push(name);
      return ticket;
    });
  return { subject, clock, order, enter };
}

describe("a full queue", () => {
  test("refuses with server_overloaded and a time to come back, and forgets who was refused", async () => {
    const { subject, enter } = admission({ maxQueue: 1 });
    const first = await enter("first");
    const second = enter("second");
    const { code, retryAfterSeconds } = await refusal(enter("third"));
    expect(code).toBe("server_overloaded");
    expect(retryAfterSeconds).toBeWithin(1, 61);
    expect(subject.status).toEqual({ running: 1, queued: 1, maxRunning: 1, maxQueued: 1 });
    first.release();
    (await second).release();
    expect(subject.status).toMatchObject({ running: 0, queued: 0 });
  });

  test("of no places at all refuses whoever cannot run at once", async () => {
    const { enter } = admission({ maxQueue: 0 });
    const ticket = await enter("first");
    expect((await refusal(enter("second"))).code).toBe("server_overloaded");
    ticket.release();
    (await enter("third")).release();
  });

  test.each([
    ["a millisecond", 1, 1],
    ["an hour", 3_600_000, 60],
  ])("asks to come back in 1 to 60 seconds when work takes %s", async (_, workMs, expected) => {
    const { enter, clock } = admission({ maxQueue: 0 });
    for (let round = 0; round < 100; round += 1) {
      const ticket = await enter("work");
      clock.ms += workMs;
      ticket.release();
    }
    await enter("last");
    expect((await refusal(enter("refused"))).retryAfterSeconds).toBe(expected);
  });
});

describe("order", () => {
  test("is by priority, then by arrival", async () => {
    const { order, enter } = admission();
    const running = await enter("running");
    const releasing = (ticket: Ticket) => ticket.release();
    const waiting = [
      enter("batch 1", "batch").then(releasing),
      enter("request 1", "request").then(releasing),
      enter("live 1", "live").then(releasing),
      enter("batch 2", "batch").then(releasing),
      enter("live 2", "live").then(releasing),
      enter("request 2", "request").then(releasing),
    ];
    running.release();
    await Promise.all(waiting);
    expect(order).toEqual(["running", "live 1", "live 2", "request 1", "request 2", "batch 1", "batch 2"]);
  });

  test("is not overtaken by one who comes when a place passes on", async () => {
    const { order, enter } = admission();
    const running = await enter("running");
    const waiting = enter("waiting");
    running.release();
    const late = enter("late", "live");
    (await waiting).release();
    await late;
    expect(order).toEqual(["running", "waiting", "late"]);
  });

  test("tells how many were before, and how long it took", async () => {
    const { enter, clock } = admission();
    const running = await enter("running");
    expect(running).toMatchObject({ position: 0, waitedMs: 0 });
    const first = enter("first");
    const second = enter("second");
    const live = enter("live", "live");
    clock.ms = 250;
    running.release();
    expect(await live).toMatchObject({ position: 0, waitedMs: 250 });
    (await live).release();
    expect(await first).toMatchObject({ position: 0 });
    (await first).release();
    expect(await second).toMatchObject({ position: 1 });
  });
});

describe("a signal", () => {
  test("that has fired already refuses without taking a place", async () => {
    const { subject, enter } = admission();
    const { code } = await refusal(enter("cancelled", "request", AbortSignal.abort()));
    expect(code).toBe("request_cancelled");
    expect(subject.status).toMatchObject({ running: 0, queued: 0 });
  });

  test("that fires while waiting leaves the queue to the others", async () => {
    const { subject, order, enter } = admission({ maxQueue: 2 });
    const running = await enter("running");
    const gone = new AbortController();
    const cancelled = refusal(enter("cancelled", "request", gone.signal));
    const waiting = enter("waiting");
    gone.abort();
    expect((await cancelled).code).toBe("request_cancelled");
    expect(subject.status.queued).toBe(1);
    running.release();
    (await waiting).release();
    expect(order).toEqual(["running", "waiting"]);
    expect(subject.status).toMatchObject({ running: 0, queued: 0 });
  });

  test("that fires after admission takes nobody else out of the queue", async () => {
    const { subject, enter } = admission();
    const gone = new AbortController();
    const running = await enter("running");
    const admitted = enter("admitted", "request", gone.signal);
    running.release();
    const ticket = await admitted;
    const waiting = enter("waiting");
    gone.abort();
    expect(subject.status).toMatchObject({ running: 1, queued: 1 });
    ticket.release();
    (await waiting).release();
  });
});

describe("release()", () => {
  test("counts once", async () => {
    const { subject, enter } = admission({ maxRuns: 2 });
    const [first, second] = [await enter("first"), await enter("second")];
    first.release();
    first.release();
    first.release();
    expect(subject.status.running).toBe(1);
    const third = await enter("third");
    expect(subject.status.running).toBe(2);
    second.release();
    third.release();
    expect(subject.status.running).toBe(0);
  });

  test("twice admits only one who waits", async () => {
    const { subject, enter, order } = admission();
    const running = await enter("running");
    const first = enter("first");
    const second = enter("second");
    running.release();
    running.release();
    const ticket = await first;
    expect(order).toEqual(["running", "first"]);
    expect(subject.status).toMatchObject({ running: 1, queued: 1 });
    ticket.release();
    (await second).release();
  });
});

describe("the share of an engine", () => {
  test("counts its own work, in the one queue of all", async () => {
    const { subject, enter } = admission({ maxQueue: 1 });
    const [one, other] = [subject.share(), subject.share()];
    const first = await one.enter("request", never);
    const second = other.enter("request", never);
    const limits = { maxRunning: 1, maxQueued: 1 };
    expect(one.status).toEqual({ running: 1, queued: 0, ...limits });
    expect(other.status).toEqual({ running: 0, queued: 1, ...limits });
    expect(subject.status).toEqual({ running: 1, queued: 1, ...limits });
    expect((await refusal(enter("third"))).code).toBe("server_overloaded");
    first.release();
    first.release();
    expect((await second).position).toBe(0);
    expect([one.status.running, other.status.running]).toEqual([0, 1]);
    (await second).release();
    expect(subject.status).toMatchObject({ running: 0, queued: 0 });
  });

  test("when it closes refuses who waits and who comes, and resolves when its last ticket is released", async () => {
    const { subject, enter } = admission();
    const share = subject.share();
    const running = await share.enter("request", never);
    const waiting = refusal(share.enter("request", never));
    const elsewhere = enter("elsewhere");
    let closed = false;
    const closing = share.close().then(() => {
      closed = true;
    });
    expect((await waiting).code).toBe("server_shutting_down");
    const late = await refusal(share.enter("request", never));
    expect(late).toMatchObject({ code: "server_shutting_down", retryAfterSeconds: 5 });
    expect(closed).toBe(false);
    running.release();
    await closing;
    // the others go on
    (await elsewhere).release();
    expect(subject.status).toMatchObject({ running: 0, queued: 0 });
    await share.close();
  });

  test("gives back the place that it gets in the moment of its end", async () => {
    const { subject, enter } = admission();
    const share = subject.share();
    const ticket = await enter("running");
    const waiting = refusal(share.enter("request", never));
    ticket.release();
    await share.close();
    expect((await waiting).code).toBe("server_shutting_down");
    expect(subject.status).toMatchObject({ running: 0, queued: 0 });
  });

  test("forgets who has left", async () => {
    const { subject, enter } = admission();
    const share = subject.share();
    const ticket = await enter("running");
    const leaving = new AbortController();
    const waiting = refusal(share.enter("request", leaving.signal));
    leaving.abort();
    expect((await waiting).code).toBe("request_cancelled");
    expect(share.status.queued).toBe(0);
    ticket.release();
    await share.close();
  });
});
