/** What every job queue keeps to: the one on SQLite files and the one on Redis. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Job, JobQueue, JobResult } from "../../src/store/jobs.ts";
import type { TestStores } from "../helpers/stores.ts";

const childProgram = `${import.meta.dir}/jobs-child.ts`;
/** No job of a test is so long that a lease of it would be renewed. */
const endless = 2 ** 31 - 1;

interface ChildEvent {
  readonly at: number;
  readonly what: "begin" | "done" | "aborted" | "killed";
  readonly id: string;
  readonly attempt: number;
}

/** A process that does jobs: jobs-child.ts. */
class Child implements AsyncDisposable {
  readonly events: ChildEvent[] = [];
  readonly #process: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #read: Promise<void>;
  readonly #works = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();

  constructor(address: string, concurrency: number, jobMs: number) {
    this.#process = Bun.spawn([process.execPath, childProgram, address, String(concurrency), String(jobMs)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#read = this.#readLines();
  }

  /** Resolves when it takes what there is to do. */
  get works(): Promise<void> {
    return this.#works.promise;
  }

  /** Resolves when it has said so many times that a job begins, is done or is aborted. */
  async until(what: ChildEvent["what"], times = 1): Promise<readonly ChildEvent[]> {
    for (;;) {
      const found = this.events.filter((event) => event.what === what);
      if (found.length >= times) return found;
      await this.#changed.promise;
    }
  }

  /** Without warning. What it had begun counts as ended now. */
  async kill(): Promise<void> {
    const at = performance.timeOrigin + performance.now();
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    await this.#read;
    for (const { id, attempt } of this.events.filter(({ what }) => what === "begin")) {
      const isOver = this.events.some((event) => event.what !== "begin" && same(event, { id, attempt }));
      if (!isOver) this.events.push({ at, what: "killed", id, attempt });
    }
  }

  /** Stops it where it is, as a machine does that goes to sleep. */
  pause(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  /** Lets it close its worker. */
  async end(): Promise<void> {
    this.#process.stdin.write("end\n");
    await this.#process.stdin.flush();
    await this.#process.exited;
    await this.#read;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #readLines(): Promise<void> {
    let rest = "";
    for await (const text of this.#process.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "works") this.#works.resolve();
        else this.events.push(JSON.parse(line) as ChildEvent);
      }
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
  }
}

const same = (a: { id: string; attempt: number }, b: { id: string; attempt: number }) =>
  a.id === b.id && a.attempt === b.attempt;

/** Jobs that two workers had at the same time. */
function overlaps(...children: Child[]): string[] {
  const events = children.flatMap((child) => child.events).sort((a, b) => a.at - b.at);
  const running = new Set<string>();
  return events.flatMap(({ what, id }) => {
    const isTwice = what === "begin" && running.has(id);
    if (what === "begin") running.add(id);
    else running.delete(id);
    return isTwice ? [id] : [];
  });
}

/** A handler that a test holds: its jobs leave when the test says so. */
class Hand {
  readonly begun: Job[] = [];
  readonly #results = new Map<string, PromiseWithResolvers<JobResult>>();
  #changed = Promise.withResolvers<void>();

  readonly handle = (job: Job): Promise<JobResult> => {
    const result = Promise.withResolvers<JobResult>();
    this.#results.set(job.id, result);
    this.begun.push(job);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    return result.promise;
  };

  /** Resolves with the nth job that was begun, from 1. */
  async job(n: number): Promise<Job> {
    for (;;) {
      const job = this.begun[n - 1];
      if (job) return job;
      await this.#changed.promise;
    }
  }

  leave(id: string, result?: JobResult): void {
    this.#results.get(id)?.resolve(result);
  }

  fail(id: string, error: Error): void {
    this.#results.get(id)?.reject(error);
  }
}

/** `start` gives stores that nobody else uses. */
export function jobsContract(name: string, start: () => Promise<TestStores>): void {
  describe(`${name}, like every job queue,`, () => {
    let stores: TestStores;
    let jobs: JobQueue;
    beforeEach(async () => {
      stores = await start();
      jobs = (await stores.open()).jobs;
    });
    afterEach(() => stores[Symbol.asyncDispose]());

    /** Resolves when nothing waits and nothing runs; the test's own time limit ends it. */
    const empty = async () => {
      for (;;) {
        const { waiting, running } = await jobs.count("transcription");
        if (waiting + running === 0) return;
        await Bun.sleep(10);
      }
    };

    test("does a job once and forgets it", async () => {
      const hand = new Hand();
      jobs.work("transcription", 2, hand.handle);
      await jobs.add("transcription", "task_1");
      expect(await hand.job(1)).toMatchObject({ id: "task_1", attempt: 1 });
      expect(await jobs.count("transcription")).toEqual({ waiting: 0, running: 1 });
      hand.leave("task_1");
      await empty();
      expect(hand.begun).toHaveLength(1);
    });

    test.each([
      "7",
      "-1",
      "0",
      "a:b:c",
      "a/../b",
      "Ä 語 \u{1f600}",
      "{tag}",
      "x'; drop table jobs; --",
      "repeat:1:2",
    ])("takes %p for an id", async (id) => {
      const hand = new Hand();
      await jobs.add("delivery", id);
      jobs.work("delivery", 1, hand.handle);
      expect((await hand.job(1)).id).toBe(id);
      hand.leave(id);
    });

    test("leaves a job as it is that is added again while it waits or runs", async () => {
      const hand = new Hand();
      await jobs.add("transcription", "task_1");
      await jobs.add("transcription", "task_1");
      await jobs.add("transcription", "task_1", 60_000);
      expect(await jobs.count("transcription")).toEqual({ waiting: 1, running: 0 });
      jobs.work("transcription", 2, hand.handle);
      await hand.job(1);
      await jobs.add("transcription", "task_1");
      expect(await jobs.count("transcription")).toEqual({ waiting: 0, running: 1 });
      hand.leave("task_1");
      await empty();
      expect(hand.begun).toHaveLength(1);
    });

    test("does a job anew that is added after it was done", async () => {
      const hand = new Hand();
      jobs.work("transcription", 1, hand.handle);
      await jobs.add("transcription", "task_1");
      await hand.job(1);
      hand.leave("task_1");
      await empty();
      await jobs.add("transcription", "task_1");
      expect((await hand.job(2)).attempt).toBe(1);
      hand.leave("task_1");
    });

    test("keeps kinds apart, also with the same id", async () => {
      const [transcriptions, deliveries] = [new Hand(), new Hand()];
      jobs.work("transcription", 1, transcriptions.handle);
      jobs.work("delivery", 1, deliveries.handle);
      await jobs.add("transcription", "same");
      await jobs.add("delivery", "same");
      await Promise.all([transcriptions.job(1), deliveries.job(1)]);
      expect(await jobs.count("delivery")).toEqual({ waiting: 0, running: 1 });
      transcriptions.leave("same");
      deliveries.leave("same");
      await empty();
      expect([...transcriptions.begun, ...deliveries.begun]).toHaveLength(2);
    });

    test("begins jobs in the order of their times, none before", async () => {
      const order: string[] = [];
      const early: string[] = [];
      const last = Promise.withResolvers<void>();
      const addedAtMs = Date.now();
      const delays = { third: 500, second: 250, first: 0, fourth: 750 };
      for (const [id, delayMs] of Object.entries(delays)) await jobs.add("transcription", id, delayMs);
      expect(await jobs.count("transcription")).toEqual({ waiting: 4, running: 0 });
      jobs.work("transcription", 1, async ({ id }) => {
        order.push(id);
        if (Date.now() < addedAtMs + delays[id as keyof typeof delays]) early.push(id);
        if (order.length === 4) last.resolve();
        return undefined;
      });
      await last.promise;
      expect(order).toEqual(["first", "second", "third", "fourth"]);
      expect(early).toEqual([]);
    });

    test("does not run more at a time than it was told", async () => {
      const hand = new Hand();
      for (let n = 0; n < 5; n++) await jobs.add("transcription", `task_${n}`);
      jobs.work("transcription", 2, hand.handle);
      await hand.job(2);
      expect(await jobs.count("transcription")).toEqual({ waiting: 3, running: 2 });
      for (let n = 1; n <= 5; n++) {
        const { id } = await hand.job(n);
        expect(hand.begun.length).toBeLessThanOrEqual(n + 1);
        hand.leave(id);
      }
      await empty();
    });

    test("does a job again after the time that its handler asks for", async () => {
      const hand = new Hand();
      jobs.work("transcription", 1, hand.handle);
      await jobs.add("transcription", "task_1");
      await hand.job(1);
      const leftAtMs = Date.now();
      hand.leave("task_1", { againInMs: 300 });
      expect((await hand.job(2)).attempt).toBe(2);
      expect(Date.now() - leftAtMs).toBeGreaterThanOrEqual(299);
      hand.leave("task_1", { againInMs: 0 });
      expect((await hand.job(3)).attempt).toBe(3);
      hand.leave("task_1");
      await empty();
    });

    test("tries a job again whose handler has thrown, after other work", async () => {
      const hand = new Hand();
      jobs.work("transcription", 1, hand.handle);
      await jobs.add("transcription", "bad");
      await jobs.add("transcription", "good");
      await hand.job(1);
      hand.fail("bad", new Error("on purpose"));
      expect(await hand.job(2)).toMatchObject({ id: "good" });
      hand.leave("good");
      expect(await hand.job(3)).toMatchObject({ id: "bad", attempt: 2 });
      hand.leave("bad");
      await empty();
      const told = stores.log.filter(({ message }) => message.includes("failed"));
      expect(told).toHaveLength(1);
      expect(told[0]?.fields).toMatchObject({ kind: "transcription", id: "bad", attempt: 1 });
    });

    test("forgets a job that waits when told to, not one that runs", async () => {
      const hand = new Hand();
      jobs.work("transcription", 1, hand.handle);
      await jobs.add("transcription", "runs");
      const { signal } = await hand.job(1);
      await jobs.add("transcription", "waits");
      await jobs.add("transcription", "is delayed", 60_000);
      for (const id of ["runs", "waits", "is delayed", "was never there"])
        await jobs.remove("transcription", id);
      expect(await jobs.count("transcription")).toEqual({ waiting: 0, running: 1 });
      expect(signal.aborted).toBe(false);
      hand.leave("runs");
      await empty();
      expect(hand.begun).toHaveLength(1);
    });

    test("does what another process has added", async () => {
      const hand = new Hand();
      jobs.work("transcription", 1, hand.handle);
      await (await stores.open()).jobs.add("transcription", "task_1");
      expect((await hand.job(1)).id).toBe("task_1");
      hand.leave("task_1");
      await empty();
    });

    describe("when a worker closes,", () => {
      test("lets what runs end, and takes no more", async () => {
        const hand = new Hand();
        const worker = jobs.work("transcription", 1, hand.handle);
        await jobs.add("transcription", "runs");
        await jobs.add("transcription", "waits");
        const { signal } = await hand.job(1);
        const closed = worker.close(60_000);
        hand.leave("runs");
        await closed;
        expect(signal.aborted).toBe(false);
        expect(await jobs.count("transcription")).toEqual({ waiting: 1, running: 0 });
        expect(hand.begun).toHaveLength(1);
      });

      test("aborts what runs longer, waits until it has left, and gives it back uncounted", async () => {
        const hand = new Hand();
        const worker = jobs.work("transcription", 1, hand.handle);
        await jobs.add("transcription", "task_1");
        const { signal } = await hand.job(1);
        let isClosed = false;
        const closed = worker.close(0).then(() => {
          isClosed = true;
        });
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        expect(await jobs.count("transcription")).toEqual({ waiting: 0, running: 1 });
        expect(isClosed).toBe(false);
        hand.fail("task_1", signal.reason);
        await closed;
        expect(await jobs.count("transcription")).toEqual({ waiting: 1, running: 0 });
        const next = new Hand();
        (await stores.open()).jobs.work("transcription", 1, next.handle);
        expect(await next.job(1)).toMatchObject({ id: "task_1", attempt: 1 });
        next.leave("task_1");
        await empty();
      });

      test("closes at once when it is told again, with less grace", async () => {
        const worker = jobs.work("transcription", 1, async ({ signal }) => {
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          throw signal.reason;
        });
        await jobs.add("transcription", "task_1");
        while ((await jobs.count("transcription")).running === 0) await Bun.sleep(5);
        const closed = worker.close(endless);
        await worker.close(0);
        await closed;
        await worker.close(0);
      });

      test("does not wait without jobs", async () => {
        await jobs.work("transcription", 1, async () => undefined).close(endless);
      });
    });

    describe("with several processes,", () => {
      test("does each of 500 jobs once", async () => {
        const ids = Array.from({ length: 500 }, (_, n) => `task_${n}`);
        // alone, one would take seconds for all: the other looks for work before that
        await using first = new Child(stores.address, 4, 20);
        await using second = new Child(stores.address, 4, 20);
        await Promise.all([first.works, second.works]);
        await Promise.all(ids.map((id) => jobs.add("transcription", id)));
        await empty();
        await Promise.all([first.end(), second.end()]);
        const done = [...first.events, ...second.events].filter(({ what }) => what === "done");
        expect(done.map(({ id }) => id).sort()).toEqual(ids.sort());
        expect(first.events.length).toBeGreaterThan(0);
        expect(second.events.length).toBeGreaterThan(0);
      }, 60_000);

      test("does what a killed process held, one worker at a time, and counts the attempt", async () => {
        const ids = Array.from({ length: 12 }, (_, n) => `task_${n}`);
        await using killed = new Child(stores.address, 4, endless);
        await Promise.all(ids.map((id) => jobs.add("transcription", id)));
        await killed.until("begin", 4);
        await using first = new Child(stores.address, 3, 50);
        await using second = new Child(stores.address, 3, 50);
        await Promise.all([first.until("done"), second.until("done")]);
        await killed.kill();
        await empty();
        await Promise.all([first.end(), second.end()]);
        const done = [...first.events, ...second.events].filter(({ what }) => what === "done");
        expect(done.map(({ id }) => id).sort()).toEqual(ids.sort());
        const held = killed.events.filter(({ what }) => what === "killed").map(({ id }) => id);
        expect(held).toHaveLength(4);
        expect(
          done
            .filter(({ attempt }) => attempt === 2)
            .map(({ id }) => id)
            .sort(),
        ).toEqual(held.sort());
        expect(overlaps(killed, first, second)).toEqual([]);
      }, 60_000);

      test("does what a process held that has slept through its lease, and tells that process to leave", async () => {
        await using sleeper = new Child(stores.address, 1, endless);
        await jobs.add("transcription", "task_1");
        await sleeper.until("begin");
        sleeper.pause();
        await using next = new Child(stores.address, 1, endless);
        expect(await next.until("begin")).toMatchObject([{ id: "task_1", attempt: 2 }]);
        sleeper.resume();
        await sleeper.until("aborted");
        await sleeper.end();
        expect(await jobs.count("transcription")).toEqual({ waiting: 0, running: 1 });
        await next.end();
        expect(next.events.map(({ what }) => what)).toEqual(["begin", "aborted"]);
        // Given back uncounted, once: the one that had lost it gave nothing back.
        const hand = new Hand();
        jobs.work("transcription", 1, hand.handle);
        expect(await hand.job(1)).toMatchObject({ id: "task_1", attempt: 2 });
        hand.leave("task_1");
      }, 60_000);

      test("does at once what a process that closes gives back", async () => {
        await using closing = new Child(stores.address, 2, endless);
        for (const id of ["task_1", "task_2"]) await jobs.add("transcription", id);
        await closing.until("begin", 2);
        await using next = new Child(stores.address, 2, 0);
        await closing.end();
        const done = await next.until("done", 2);
        expect(done.map(({ attempt }) => attempt)).toEqual([1, 1]);
        expect(overlaps(closing, next)).toEqual([]);
      }, 60_000);
    });
  });
}
