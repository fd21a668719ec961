/** Cycles of decoding and running leave nothing behind. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { native } from "../../src/native.ts";
import { decodeFixture, openModel, start } from "./harness.ts";

setDefaultTimeout(120_000);

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

test("two hundred short cycles reach a plateau of memory", async () => {
  native.setSlots(1);
  const rss: number[] = [];
  const model = await openModel();
  for (let cycle = 0; cycle < 210; cycle += 1) {
    const pcm = await decodeFixture("en-digits.wav");
    const { run, ended } = start(model, pcm);
    // most are cancelled in the middle: a whole run takes its time, and the others must give back as much
    if (cycle % 7 !== 0) run.cancel();
    await ended;
    if (cycle % 2 === 0) pcm.close();
    if (cycle % 10 === 0) Bun.gc(true);
    rss.push(process.memoryUsage.rss());
  }
  await model.close();
  const [second, last] = [rss.slice(70, 140), rss.slice(140)].map(median) as [number, number];
  expect(last - second).toBeLessThan(32e6);
});

test("thirty loads of the weights keep no copy", async () => {
  const rss: number[] = [];
  for (let load = 0; load < 30; load += 1) {
    const model = await openModel();
    await model.close();
    Bun.gc(true);
    rss.push(process.memoryUsage.rss());
  }
  expect(median(rss.slice(20)) - median(rss.slice(10, 20))).toBeLessThan(32e6);
});

test("decodings that fail keep nothing", async () => {
  const text = new TextEncoder().encode("no audio ".repeat(10_000));
  const rss: number[] = [];
  for (let round = 0; round < 90; round += 1) {
    const options = { splitChannels: false, maxChannels: 1, maxDurationMs: 1000 };
    await Promise.allSettled([1, 2, 3, 4].map(() => native.decode(text, options).result));
    if (round % 10 === 0) Bun.gc(true);
    rss.push(process.memoryUsage.rss());
  }
  expect(median(rss.slice(60)) - median(rss.slice(30, 60))).toBeLessThan(32e6);
});
