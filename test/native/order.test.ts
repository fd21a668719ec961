/** Who is served when. Seen in the order of the ends. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Priority } from "../../src/core/options.ts";
import type { Model, Pcm, RunEvent } from "../../src/native.ts";
import { decodeFixture, type Execution, isTerminal, openModel, start } from "./harness.ts";

setDefaultTimeout(60_000);

let one: Model;
let many: Model;
let short: Pcm;
let long: Pcm;

beforeAll(async () => {
  one = await openModel({ slots: 1 });
  many = await openModel({ slots: 8 });
  short = await decodeFixture("en-digits.wav");
  long = await decodeFixture("en-long-95s.mp3");
});
afterAll(async () => {
  await one.close();
  await many.close();
});

/** Starts runs that note their names when they end. */
function race(model: Model) {
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

/** Resolves when the run is at its second window. */
async function underWay(enter: (onEvent: (event: RunEvent) => void) => Execution): Promise<Execution> {
  const taken = Promise.withResolvers<void>();
  const execution = enter((event) => {
    if (event.type !== "segment") taken.resolve();
  });
  await taken.promise;
  return execution;
}

describe.each([
  ["one slot", () => one],
  ["many slots", () => many],
])("with %s", (_, model) => {
  test("a short clip that comes while a long recording runs ends before it", async () => {
    const { order, enter, end } = race(model());
    await underWay((onEvent) => enter("long", long, "request", onEvent));
    enter("short", short);
    await end();
    expect(order).toEqual(["short", "long"]);
  });

  test("live goes before request, and request before batch, whatever came first", async () => {
    const { order, enter, end } = race(model());
    await underWay((onEvent) => enter("long", long, "live", onEvent));
    enter("batch", short, "batch");
    enter("request", short, "request");
    enter("live", short, "live");
    await end();
    expect(order.filter((name) => name !== "long")).toEqual(["live", "request", "batch"]);
  });

  test("a batch lets a request go first, even when it was first", async () => {
    const { order, enter, end } = race(model());
    await underWay((onEvent) => enter("batch", long, "batch", onEvent));
    enter("request", long, "request");
    await end();
    expect(order).toEqual(["request", "batch"]);
  });

  test("a recording is not kept waiting by clips without end", async () => {
    const { order, enter } = race(model());
    const recording = await underWay((onEvent) => enter("long", long, "request", onEvent));
    let clips = 0;
    // two at a time, so that one always waits
    const chain = async () => {
      while (!order.includes("long") && clips < 200) {
        clips += 1;
        await enter("clip", short).ended;
      }
    };
    await Promise.all([chain(), chain(), recording.ended]);
    expect(clips).toBeLessThan(200);
  });
});

test("in one slot, who comes second tells how long it waited", async () => {
  const { enter, end } = race(one);
  await underWay((onEvent) => enter("long", long, "request", onEvent));
  const done = (await enter("short", short).ended).find((event) => event.type === "done");
  expect(done?.computeMs).toBeGreaterThan(0);
  expect(done?.waitMs).toBeGreaterThan(0);
  await end();
});
