/** Cycles of decoding and running leave nothing behind. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { native } from "../../src/native.ts";
import { decodeFixture, openModel, start } from "./harness.ts";

setDefaultTimeout(300_000);

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

const largestGrowthBytes = 32e6;

/** The slope of the straight line through the values (least squares), times their number: how much they have grown. */
function growth(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  let [above, below] = [0, 0];
  for (const [index, each] of values.entries()) {
    above += (index - middle) * (each - mean);
    below += (index - middle) ** 2;
  }
  return (above / below) * values.length;
}

test("growth is found in noise, and none in noise alone", () => {
  const noise = (index: number) => ((index * 7919) % 101) * 1e6;
  const flat = Array.from({ length: 600 }, (_, index) => noise(index));
  expect(Math.abs(growth(flat))).toBeLessThan(largestGrowthBytes / 4);
  // 100 KB a run
  const growing = flat.map((each, index) => each + index * 1e5);
  expect(growth(growing)).toBeGreaterThan(largestGrowthBytes);
});

test("a thousand runs reach a plateau of memory", async () => {
  const rss: number[] = [];
  const model = await openModel();
  for (let run = 0; run < 1000; run += 1) {
    const pcm = await decodeFixture("en-digits.wav");
    const execution = start(model, pcm, { beamSize: 1 + (run % 3), wordTimes: run % 2 === 0 });
    // most are cancelled: a whole run takes its time, and the others must give back as much
    if (run % 10 !== 0) execution.run.cancel();
    await execution.ended;
    if (run % 2 === 0) pcm.close();
    if (run % 10 === 0) Bun.gc(true);
    rss.push(process.memoryUsage.rss());
  }
  await model.close();
  const rest = rss.slice(Math.floor(rss.length / 3));
  const half = rest.length >> 1;
  expect(growth(rest)).toBeLessThan(largestGrowthBytes);
  expect(median(rest.slice(half)) - median(rest.slice(0, half))).toBeLessThan(largestGrowthBytes);
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
