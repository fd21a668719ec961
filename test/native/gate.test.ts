/** Who computes when: with one slot, a window at a time, the one that has had least. Seen in the order of the ends. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Priority } from "../../src/core/options.ts";
import { type Model, native, type Pcm, type RunEvent } from "../../src/native.ts";
import { decodeFixture, type Execution, isTerminal, openModel, start } from "./harness.ts";

setDefaultTimeout(60_000);

let model: Model;
let short: Pcm;
let long: Pcm;

beforeAll(async () => {
  native.setSlots(1);
  model = await openModel();
  short = await decodeFixture("en-digits.wav");
  long = await decodeFixture("en-long-95s.mp3");
});
afterAll(() => model.close());

/** Starts runs that note their names when they end. */
function race() {
  const order: string[] = [];
  const all: Execution[] = [];
  return {
    order,
    enter(
      name: string,
      pcm: Pcm,
      priority: Priority = "request",
      onEvent: (event: RunEvent) => void = () => {},
    ) {
      const execution = start(model, pcm, { priority }, (event) => {
        onEvent(event);
        if (isTerminal(event)) order.push(name);
      });
      all.push(execution);
      return execution;
    },
    end: () => Promise.all(all.map(({ ended }) => ended)),
  };
}

/** Resolves when the slot is taken for a window: after the first window's end, the second has begun. */
async function holding(enter: (onEvent: (event: RunEvent) => void) => Execution): Promise<Execution> {
  const taken = Promise.withResolvers<void>();
  const execution = enter((event) => {
    if (event.type !== "segment") taken.resolve();
  });
  await taken.promise;
  return execution;
}

test("a short clip that comes while a long recording runs ends before it", async () => {
  const { order, enter, end } = race();
  await holding((onEvent) => enter("long", long, "request", onEvent));
  enter("short", short);
  await end();
  expect(order).toEqual(["short", "long"]);
});

test("live goes before request, and request before batch, whatever came first", async () => {
  const { order, enter, end } = race();
  await holding((onEvent) => enter("long", long, "live", onEvent));
  enter("batch", short, "batch");
  enter("request", short, "request");
  enter("live", short, "live");
  await end();
  expect(order.filter((name) => name !== "long")).toEqual(["live", "request", "batch"]);
});

test("a batch lets a request go first, even when it holds the slot", async () => {
  const { order, enter, end } = race();
  await holding((onEvent) => enter("batch", long, "batch", onEvent));
  enter("request", long, "request");
  await end();
  expect(order).toEqual(["request", "batch"]);
});

test("of two runs one computes and the other tells how long it waited", async () => {
  const { enter } = race();
  const both = await Promise.all([enter("one", short).ended, enter("another", short).ended]);
  const [first, second] = both
    .flatMap((events) => events.filter((event) => event.type === "done"))
    .toSorted((a, b) => a.waitMs - b.waitMs);
  expect(first?.computeMs).toBeGreaterThan(0);
  expect(second?.computeMs).toBeGreaterThan(0);
  expect(second?.waitMs).toBeGreaterThan(first?.waitMs ?? Infinity);
});

test("two slots let two runs compute at the same time", async () => {
  native.setSlots(2);
  try {
    const { order, enter, end } = race();
    await holding((onEvent) => enter("long", long, "live", onEvent));
    enter("batch", short, "batch");
    await end();
    expect(order).toEqual(["batch", "long"]);
  } finally {
    native.setSlots(1);
  }
});
