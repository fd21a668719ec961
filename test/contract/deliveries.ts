/** Webhooks from the end of a task to real receivers, on any store. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import OpenAI from "openai";
import { Webhook as Verifier } from "standardwebhooks";
import { defaultOptions } from "../../src/core/options.ts";
import { writeSegment } from "../../src/core/segment-json.ts";
import type { Logger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics.ts";
import { type OutboundOptions, openOutbound } from "../../src/net/outbound.ts";
import type { Store } from "../../src/store/store.ts";
import type { Task } from "../../src/store/tasks.ts";
import type { Delivery, Webhook } from "../../src/store/webhooks.ts";
import { writeRequest } from "../../src/tasks/request.ts";
import type { Retries } from "../../src/tasks/retries.ts";
import { sweep } from "../../src/tasks/sweep.ts";
import { TaskWebhooks, type WantedWebhook } from "../../src/tasks/webhooks.ts";
import { selfSigned } from "../fixtures/tls.ts";
import { testSegment } from "../helpers/engine.ts";
import { type LogLine, recordingLog } from "../helpers/log.ts";
import { type Received, rawReceiver, receiver } from "../helpers/receiver.ts";
import type { TestStores } from "../helpers/stores.ts";

setDefaultTimeout(30_000);

const caller = "key:test";
const noLimits = { perCaller: 1e6, maxBytes: 1e12 };
const failure = { message: "It broke", type: "server_error", param: null, code: "internal_error" };

/** Five attempts, at once; one that takes longer than a test wants to wait has failed. */
const quick: Retries = { pausesMs: [0, 1, 1, 1, 1], timeoutMs: 10_000, random: () => 0 };
const impatient: Retries = { ...quick, timeoutMs: 300 };

const anAttempt = { atMs: 0, ms: 0, httpStatus: 200, error: null };

type End = "completed" | "failed" | "cancelled";

interface Settings {
  readonly retries?: Retries;
  readonly outbound?: Partial<OutboundOptions>;
  readonly works?: boolean;
}

/** One process with its own view of the store. */
class Process implements AsyncDisposable {
  readonly lines: LogLine[];
  readonly log: Logger;
  readonly verb: TaskWebhooks;

  constructor(
    readonly store: Store,
    { retries = quick, outbound = {}, works = true }: Settings,
  ) {
    const { log, lines } = recordingLog();
    this.lines = lines;
    this.log = log;
    const { webhooks, jobs, tasks } = store;
    this.verb = new TaskWebhooks({
      ...{ webhooks, jobs, tasks, log, retries, publicUrl: "https://speech.example" },
      metrics: new Metrics(),
      outbound: openOutbound({ allowPrivate: true, ...outbound }),
    });
    if (works) this.verb.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.verb.close(0);
    await this.store.close();
  }
}

export function deliveriesContract(name: string, openStores: () => Promise<TestStores>): void {
  describe(name, () => {
    let stores: TestStores;
    let count = 0;
    beforeAll(async () => {
      stores = await openStores();
    });
    afterAll(() => stores[Symbol.asyncDispose]());

    const start = async (settings: Settings = {}) => new Process(await stores.open(), settings);

    const newTask = async ({ store }: Process): Promise<Task> => {
      count += 1;
      const id = `task_${String(count).padStart(6, "0")}`;
      const view = { task: "transcribe", responseFormat: "json", words: false, segments: true } as const;
      const request = writeRequest({
        model: "demo",
        options: defaultOptions,
        view: { ...view, logprobs: false, speakerNames: [], speakerTurns: false, cues: null },
        limits: { requests: [], audio: [] },
        sha256: "",
        filename: "speech.wav",
        requestId: "req_1",
        traceparent: null,
      });
      await store.tasks.create(
        { ...{ id, caller, request, blob: id, bytes: 1 }, createdAtMs: 1000 },
        noLimits,
      );
      return (await store.tasks.find(id)) as Task;
    };

    /** Ends it in the store alone: whoever did it has not told anybody. */
    const endSilently = async ({ store }: Process, { id }: Task, end: End, texts = ["Hello world."]) => {
      const { tasks } = store;
      const begun = end === "cancelled" ? await tasks.cancel(id, 5000) : await tasks.begin(id, 2000);
      const attempt = begun?.attempt ?? 0;
      if (end === "failed") await tasks.finish(id, attempt, { status: end, error: failure }, 5000);
      if (end === "completed") {
        const segments = texts.map((text, index) => writeSegment({ ...testSegment(index, text) }));
        const progress = { durationMs: 1000, channels: 1, doneMs: 1000, totalMs: 1000 };
        await tasks.append(id, attempt, 0, segments, progress);
        await tasks.finish(id, attempt, { status: end, language: "en" }, 5000);
      }
      return (await tasks.find(id)) as Task;
    };

    const end = async (process: Process, task: Task, how: End = "completed", texts?: string[]) => {
      const ended = await endSilently(process, task, how, texts);
      await process.verb.ended(ended);
      return ended;
    };

    const watch = ({ verb }: Process, { id }: Task, url: string, more: Partial<WantedWebhook> = {}) =>
      verb.create(caller, id, { url, secret: null, includeResult: false, ...more });

    /** The newest delivery, when it is no longer pending; the test's own time limit ends the wait. */
    const settled = async ({ store }: Process, { id }: Webhook): Promise<Delivery> => {
      for (;;) {
        const [delivery] = await store.webhooks.deliveries(id, 1);
        if (delivery && delivery.status !== "pending") return delivery;
        await Bun.sleep(5);
      }
    };
    const attempted = async ({ store }: Process, { id }: Webhook): Promise<Delivery> => {
      for (;;) {
        const [delivery] = await store.webhooks.deliveries(id, 1);
        if (delivery && delivery.attempts.length > 0) return delivery;
        await Bun.sleep(5);
      }
    };

    /** A webhook of a task that has ended, and how its delivery went. */
    const deliverTo = async (process: Process, url: string, more: Partial<WantedWebhook> = {}) => {
      const task = await newTask(process);
      const webhook = await watch(process, task, url, more);
      await end(process, task);
      return { task, webhook, delivery: await settled(process, webhook) };
    };

    const verified = ({ body, headers }: Received, { secret }: Webhook) => {
      const event = new Verifier(secret).verify(body, { ...headers });
      return event as { id: string; type: string; data: Record<string, unknown> };
    };

    describe("a receiver", () => {
      test("gets one request, which both libraries verify, when its task ends", async () => {
        await using process = await start();
        await using target = receiver();
        const { task, webhook, delivery } = await deliverTo(process, `${target.url}/hook?token=1`);
        expect(delivery).toMatchObject({
          status: "delivered",
          event: "transcription.completed",
          nextAtMs: null,
        });
        expect(delivery.attempts).toMatchObject([{ httpStatus: 200, error: null }]);
        const [request] = target.received;
        expect(target.received).toHaveLength(1);
        expect(request).toMatchObject({
          path: "/hook?token=1",
          headers: { "webhook-id": delivery.id, "content-type": "application/json" },
        });
        const { body, headers } = request as Received;
        const url = `https://speech.example/v1/audio/transcriptions/${task.id}`;
        const event = {
          id: expect.stringMatching(/^evt_[0-9a-f]{32}$/),
          object: "event",
          type: "transcription.completed",
          created_at: 5,
          timestamp: "1970-01-01T00:00:05.000Z",
          data: {
            ...{ id: task.id, task_id: task.id, object: "transcription.task", status: "completed" },
            links: { task: url, result: `${url}?response_format=json` },
          },
        };
        expect(verified({ body, headers, path: "" }, webhook)).toMatchObject(event);
        const client = new OpenAI({ apiKey: "none", webhookSecret: webhook.secret });
        expect((await client.webhooks.unwrap(body, { ...headers })) as object).toMatchObject(event);
        expect(body).not.toContain("Hello");
      });

      test("that fails three times gets the same webhook-id again, signed anew each time", async () => {
        await using process = await start();
        await using target = receiver((number) => new Response("", { status: number < 3 ? 500 : 204 }));
        const { webhook, delivery } = await deliverTo(process, target.url);
        expect(delivery.status).toBe("delivered");
        expect(delivery.attempts.map(({ httpStatus }) => httpStatus)).toEqual([500, 500, 500, 204]);
        expect(target.received).toHaveLength(4);
        expect(new Set(target.received.map(({ headers }) => headers["webhook-id"]))).toEqual(
          new Set([delivery.id]),
        );
        expect(new Set(target.received.map(({ body }) => body)).size).toBe(1);
        for (const request of target.received) verified(request, webhook);
      });

      test("that does not answer in time gets it again", async () => {
        await using process = await start({ retries: impatient });
        const never = Promise.withResolvers<Response>();
        await using target = receiver((number) => (number === 0 ? never.promise : new Response("ok")));
        const { delivery } = await deliverTo(process, target.url);
        expect(delivery.status).toBe("delivered");
        expect(delivery.attempts[0]).toMatchObject({
          httpStatus: null,
          error: "The receiver did not answer within 300 ms",
        });
        never.resolve(new Response());
      });

      test("that redirects has failed, and nobody goes there", async () => {
        await using process = await start({ retries: { ...quick, pausesMs: [0] } });
        await using elsewhere = receiver();
        await using target = receiver(() => Response.redirect(elsewhere.url, 307));
        const { delivery } = await deliverTo(process, target.url);
        expect(delivery).toMatchObject({ status: "failed", attempts: [{ httpStatus: 307 }] });
        expect(elsewhere.received).toEqual([]);
      });

      test("that says 410 is not asked again, and its webhook is disabled", async () => {
        await using process = await start();
        await using target = receiver(() => new Response("", { status: 410 }));
        const { webhook, delivery } = await deliverTo(process, target.url);
        expect(delivery).toMatchObject({ status: "failed", attempts: [{ httpStatus: 410 }] });
        expect(target.received).toHaveLength(1);
        expect((await process.store.webhooks.find(webhook.id))?.disabledAtMs).toBeGreaterThan(0);
      });

      test("that closes the connection gets it again", async () => {
        await using process = await start();
        let number = 0;
        await using target = await rawReceiver((socket) => {
          number += 1;
          if (number === 1) socket.destroy();
          else socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        });
        const { delivery } = await deliverTo(process, target.url);
        expect(delivery.status).toBe("delivered");
        expect(delivery.attempts.map(({ httpStatus }) => httpStatus)).toEqual([null, 200]);
        expect(delivery.attempts[0]?.error).toMatch(/closed/);
      });

      test("whose answer never ends has it all the same, and is let go of", async () => {
        await using process = await start();
        const closed = Promise.withResolvers<void>();
        await using target = await rawReceiver((socket) => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n");
          const timer = setInterval(() => socket.write("x".repeat(10_000)), 1);
          socket.on("close", () => {
            clearInterval(timer);
            closed.resolve();
          });
        });
        const { delivery } = await deliverTo(process, target.url);
        expect(delivery).toMatchObject({ status: "delivered", attempts: [{ httpStatus: 200 }] });
        await closed.promise;
      });

      test("with a certificate that nobody vouches for gets nothing", async () => {
        await using process = await start({ retries: { ...quick, pausesMs: [0] } });
        await using target = receiver(undefined, selfSigned);
        const { delivery } = await deliverTo(process, target.url);
        expect(delivery.attempts[0]?.error).toMatch(/certificate was refused/);
        expect(target.received).toEqual([]);
      });

      test("whose name leads inside by the time of the delivery gets nothing", async () => {
        const answers = ["8.8.8.8"];
        const resolve = async () => [answers.shift() ?? "127.0.0.1"];
        const retries = { ...quick, pausesMs: [0] };
        await using process = await start({ retries, outbound: { allowPrivate: false, resolve } });
        await using target = receiver();
        const url = `http://rebinding.example:${target.port}/`;
        await process.verb.check({ url, secret: null });
        const { delivery } = await deliverTo(process, url);
        expect(delivery.attempts).toMatchObject([{ httpStatus: null }]);
        expect(delivery.attempts[0]?.error).toMatch(/public addresses/);
        expect(target.received).toEqual([]);
      });

      test("that asks for time gets it", async () => {
        await using process = await start();
        await using target = receiver(
          () => new Response("", { status: 429, headers: { "retry-after": "3600" } }),
        );
        const task = await newTask(process);
        const webhook = await watch(process, task, target.url);
        await end(process, task);
        const { attempts, nextAtMs, status } = await attempted(process, webhook);
        expect(status).toBe("pending");
        expect((nextAtMs ?? 0) - (attempts[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(3_600_000);
      });

      test("that fails each time is given up, in the log without its URL, until it is told to deliver again", async () => {
        let works = false;
        await using process = await start();
        await using target = receiver(() => new Response("", { status: works ? 200 : 503 }));
        const { webhook, delivery } = await deliverTo(process, `${target.url}/?token=hunter2`);
        expect(delivery.status).toBe("failed");
        expect(delivery.attempts).toHaveLength(5);
        const disabled = await process.store.webhooks.find(webhook.id);
        expect(disabled?.disabledAtMs).toBeGreaterThan(0);
        expect(process.lines).toContainEqual(
          expect.objectContaining({ level: "warn", message: "webhook disabled" }),
        );
        expect(JSON.stringify(process.lines)).not.toMatch(
          new RegExp(`hunter2|${RegExp.escape(webhook.secret)}`),
        );

        works = true;
        const again = await process.verb.redeliver(webhook);
        const redelivered = await settled(process, webhook);
        expect(redelivered).toMatchObject({ id: again.id, status: "delivered" });
        expect(again.id).not.toBe(delivery.id);
        const events = target.received.map((request) => verified(request, webhook).id);
        expect(new Set(events).size).toBe(1);
        expect((await process.store.webhooks.find(webhook.id))?.disabledAtMs).toBeNull();
      });
    });

    describe("a task whose time is over", () => {
      const sweepNow = ({ store, verb, log }: Process) =>
        sweep({
          ...{ tasks: store.tasks, jobs: store.jobs, blobs: store.blobs },
          watchers: verb,
          ttlMs: 0,
          log,
        });
      const isThere = async ({ store }: Process, { id }: Task) => (await store.tasks.find(id)) !== null;

      test("stays with its transcript until its receiver has it", async () => {
        let works = false;
        await using process = await start({ retries: { ...quick, pausesMs: [0, 1, 60_000] } });
        await using target = receiver(() => new Response("", { status: works ? 200 : 500 }));
        const task = await newTask(process);
        const webhook = await watch(process, task, target.url, { includeResult: true });
        await end(process, task);
        await attempted(process, webhook);
        await sweepNow(process);
        expect(await isThere(process, task)).toBe(true);

        works = true;
        await process.verb.redeliver(webhook);
        await settled(process, webhook);
        const { body } = target.received.at(-1) as Received;
        expect(JSON.parse(body).data.result).toEqual({ text: "Hello world." });
        for (const { id } of await process.store.webhooks.deliveries(webhook.id, 10))
          await process.store.webhooks.recordAttempt(id, anAttempt, "delivered", null);
        await sweepNow(process);
        expect(await isThere(process, task)).toBe(false);
        expect(await process.store.webhooks.find(webhook.id)).toBeNull();
      });

      test("stays until it was told at all", async () => {
        await using process = await start({ works: false });
        const task = await newTask(process);
        await watch(process, task, "http://127.0.0.1:9/");
        await endSilently(process, task, "completed");
        await sweepNow(process);
        expect(await isThere(process, task)).toBe(true);
      });

      test("goes when the receiver has said 410", async () => {
        await using process = await start();
        await using target = receiver(() => new Response("", { status: 410 }));
        const { task } = await deliverTo(process, target.url);
        await sweepNow(process);
        expect(await isThere(process, task)).toBe(false);
      });

      test("goes when the schedule and a day are over, though nothing was delivered", async () => {
        await using process = await start({ works: false });
        const { webhooks } = process.store;
        const task = await newTask(process);
        const webhook = await watch(process, task, "http://127.0.0.1:9/");
        await endSilently(process, task, "completed");
        const createdAtMs = Date.now() - 25 * 3_600_000;
        await webhooks.addDelivery({
          ...{ id: `msg_${task.id}`, webhook: webhook.id, event: "transcription.completed" },
          ...{ status: "pending", createdAtMs, nextAtMs: Date.now() + 60_000, attempts: [] },
        });
        await sweepNow(process);
        expect(await isThere(process, task)).toBe(false);
      });
    });

    describe("an end", () => {
      test.each<[End, object]>([
        ["completed", { links: { result: expect.stringContaining("response_format=json") } }],
        ["failed", { error: failure, links: { result: null } }],
        ["cancelled", { error: null, links: { result: null } }],
      ])("that is %s is told as such", async (how, data) => {
        await using process = await start();
        await using target = receiver();
        const task = await newTask(process);
        const webhook = await watch(process, task, target.url);
        await end(process, task, how);
        await settled(process, webhook);
        expect(verified(target.received[0] as Received, webhook)).toMatchObject({
          type: `transcription.${how}`,
          data: { status: how, ...data },
        });
      });

      test("that was before the webhook is told at once", async () => {
        await using process = await start();
        await using target = receiver();
        const task = await newTask(process);
        await end(process, task);
        const webhook = await watch(process, task, target.url);
        expect(await settled(process, webhook)).toMatchObject({ status: "delivered" });
        expect(target.received).toHaveLength(1);
      });

      test("that is told again and again, by several processes, makes one delivery for each webhook", async () => {
        await using first = await start();
        await using second = await start();
        await using target = receiver();
        const task = await newTask(first);
        const webhooks = [await watch(first, task, target.url), await watch(second, task, target.url)];
        const ended = await endSilently(first, task, "completed");
        await Promise.all([first, second, first, second].map(({ verb }) => verb.ended(ended)));
        for (const webhook of webhooks) await settled(first, webhook);
        await first.verb.ended(ended);
        for (const { id } of webhooks) {
          expect(await second.store.webhooks.deliveries(id, 100)).toHaveLength(1);
        }
        expect(target.received).toHaveLength(2);
      });

      test("carries the transcript where it is wanted, unless it is long", async () => {
        await using process = await start();
        await using target = receiver();
        const texts = [[" Hello", " world."], ["x".repeat(17_000)]];
        for (const [index, segments] of texts.entries()) {
          const task = await newTask(process);
          const webhook = await watch(process, task, target.url, { includeResult: true });
          await end(process, task, "completed", segments);
          await settled(process, webhook);
          const { data } = verified(target.received[index] as Received, webhook);
          expect(data.result).toEqual(index === 0 ? { text: "Hello world." } : undefined);
          expect(Buffer.byteLength((target.received[index] as Received).body)).toBeLessThan(20_000);
        }
      });

      test("is signed with the secret that was given", async () => {
        await using process = await start();
        await using target = receiver();
        const { webhook } = await deliverTo(process, target.url, { secret: "whsec_c2VjcmV0LW9mLW1pbmU=" });
        expect(webhook.secret).toBe("whsec_c2VjcmV0LW9mLW1pbmU=");
        verified(target.received[0] as Received, webhook);
      });
    });

    describe("what a crash has left", () => {
      test("between the end of a task and its deliveries is delivered by the next sweep", async () => {
        await using process = await start({ works: false });
        await using target = receiver();
        for (const how of ["completed", "cancelled"] as const) {
          const task = await newTask(process);
          await watch(process, task, target.url);
          await endSilently(process, task, how);
        }
        await using next = await start();
        await next.verb.sweep();
        while (target.received.length < 2) await Bun.sleep(5);
      });

      test("between a delivery and its job is delivered by the next sweep", async () => {
        await using process = await start({ works: false });
        await using target = receiver();
        const task = await newTask(process);
        const webhook = await watch(process, task, target.url);
        await endSilently(process, task, "completed");
        const longAgo = Date.now() - 120_000;
        const { id } = webhook;
        await process.store.webhooks.addDelivery({
          ...{ id: `msg_lost_${id}`, webhook: id, event: "transcription.completed", status: "pending" },
          ...{ createdAtMs: longAgo, nextAtMs: longAgo, attempts: [] },
        });
        await using next = await start();
        await next.verb.sweep();
        expect(await settled(next, webhook)).toMatchObject({ status: "delivered", id: `msg_lost_${id}` });
      });

      test("of a webhook whose task is gone is removed", async () => {
        await using process = await start();
        const task = await newTask(process);
        const webhook = await watch(process, task, "https://receiver.example");
        await process.store.tasks.cancel(task.id, 1);
        await process.store.tasks.remove(task.id);
        await process.verb.sweep();
        expect(await process.store.webhooks.find(webhook.id)).toBeNull();
      });

      test("of an attempt that the process did not live to see is attempted again, under the same id", async () => {
        await using target = receiver((number) => (number === 0 ? hanging.promise : new Response("ok")));
        const hanging = Promise.withResolvers<Response>();
        const process = await start();
        const task = await newTask(process);
        const webhook = await watch(process, task, target.url);
        await end(process, task);
        while (target.received.length === 0) await Bun.sleep(5);
        await process[Symbol.asyncDispose]();
        await using next = await start();
        const delivery = await settled(next, webhook);
        expect(delivery).toMatchObject({ status: "delivered", attempts: [{ httpStatus: 200 }] });
        expect(target.received.map(({ headers }) => headers["webhook-id"])).toEqual([
          delivery.id,
          delivery.id,
        ]);
        hanging.resolve(new Response());
      });
    });

    test("a task that is removed takes its webhooks and their pending deliveries with it", async () => {
      await using process = await start({ works: false });
      await using target = receiver();
      const task = await newTask(process);
      const webhook = await watch(process, task, target.url);
      await end(process, task);
      await process.verb.removed(task.id);
      expect(await process.store.webhooks.find(webhook.id)).toBeNull();
      expect(await process.store.webhooks.deliveries(webhook.id, 9)).toEqual([]);
      process.verb.start();
      // Its job is older than this one.
      await using other = receiver();
      expect((await deliverTo(process, other.url)).delivery.status).toBe("delivered");
      expect(target.received).toEqual([]);
    });

    describe("is refused", () => {
      test.each([
        ["a webhook of a task that is not there", "task_none", caller],
        ["a webhook of somebody else's task", "", "key:other"],
      ])("%s", async (_, id, who) => {
        await using process = await start({ works: false });
        const task = await newTask(process);
        const wanted = { url: "https://receiver.example", secret: null, includeResult: false };
        const made = process.verb.create(who, id || task.id, wanted);
        await expect(made).rejects.toMatchObject({ code: "task_not_found", param: "task_id" });
        expect(await process.store.webhooks.ofTask(task.id)).toEqual([]);
      });

      test("one webhook more than a task may have", async () => {
        await using process = await start({ works: false });
        const task = await newTask(process);
        for (let number = 0; number < 10; number += 1) await watch(process, task, "https://receiver.example");
        await expect(watch(process, task, "https://receiver.example")).rejects.toMatchObject({
          code: "invalid_value",
          param: "task_id",
        });
      });

      test("to deliver again what has not ended", async () => {
        await using process = await start({ works: false });
        const webhook = await watch(process, await newTask(process), "https://receiver.example");
        await expect(process.verb.redeliver(webhook)).rejects.toMatchObject({ code: "task_not_finished" });
      });

      test.each([
        ["that is empty", ""],
        ["that is nothing but its prefix", "whsec_"],
        ["of 513 characters", "x".repeat(513)],
      ])("a secret %s", async (_, secret) => {
        await using process = await start({ works: false });
        const checked = process.verb.check({ url: "https://8.8.8.8", secret });
        await expect(checked).rejects.toMatchObject({ code: "invalid_value", param: "webhook_secret" });
      });
    });
  });
}
