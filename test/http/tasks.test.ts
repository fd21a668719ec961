/** Async tasks over HTTP, in one process, with an engine that says what it is told to. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { AppError } from "../../src/core/errors.ts";
import { audioLimits } from "../../src/core/limits.ts";
import { writeSegment } from "../../src/core/segment-json.ts";
import { StoreUnavailable } from "../../src/store/store.ts";
import type { Task } from "../../src/store/tasks.ts";
import type { TaskWatchers } from "../../src/tasks/watchers.ts";
import { FakeEngine, testModel, testSegment } from "../helpers/engine.ts";
import { errorOf, form, jsonOf, type TestServer, testServer } from "../helpers/server.ts";

import {
  at,
  ended,
  type Fields,
  get,
  noBlobs,
  submit,
  type TaskBody,
  transcriptions,
} from "../helpers/tasks.ts";

const nobody: TaskWatchers = {
  async check() {},
  async register() {},
  async ended() {},
  isWaiting: async () => false,
  async removed() {},
};

const numbered = (count: number) => Array.from({ length: count }, (_, id) => testSegment(id, ` word${id}`));

describe("a submission", () => {
  test("is answered with 202, its place and the task", async () => {
    await using server = await testServer();
    const response = await server.fetch(transcriptions, form({ async: "true", response_format: "srt" }));
    expect(response.status).toBe(202);
    const body = await jsonOf<TaskBody & { task_id: string; created_at: number }>(response);
    expect(body.id).toMatch(/^task_[0-9a-f]{32}$/);
    expect(body).toEqual({
      ...{
        id: body.id,
        task_id: body.id,
        object: "transcription.task",
        task: "transcribe",
        status: "queued",
      },
      ...{ filename: "speech.wav", language: null },
      ...{ response_format: "srt", progress: 0, duration: null, created_at: body.created_at },
      ...{ started_at: null, finished_at: null, error: null },
    } as unknown as typeof body);
    expect(Math.abs(body.created_at - Date.now() / 1000)).toBeLessThan(60);
    expect(response.headers.get("location")).toBe(at(body));
    expect(response.headers.get("preference-applied")).toBeNull();
    expect(await server.blobs()).toHaveLength(1);
    expect(server.engine.requests).toBeEmpty();
  });

  test.each([
    ["../../etc/passwd", "../../etc/passwd"],
    ["\u{1F600}".repeat(200), `${"\u{1F600}".repeat(127)}\uFFFD`],
    ["Gespräch <b>1</b>.mp3", "Gespräch <b>1</b>.mp3"],
    ["", null],
  ])("keeps the name of its recording, for its caller alone: %p", async (name, kept) => {
    await using server = await testServer();
    const body = new FormData();
    body.append("async", "true");
    body.append("file", new File(["RIFF"], name));
    const response = await server.fetch(transcriptions, { method: "POST", body });
    expect(await jsonOf<object>(response)).toMatchObject({ filename: kept });
    expect(await server.blobs()).toEqual([expect.stringMatching(/^task_[0-9a-f]{32}$/)]);
  });

  test.each([["respond-async"], ["wait=5, Respond-Async"], ["respond-async; x=1, return=minimal"]])(
    "may be asked for with the header Prefer: %s",
    async (prefer) => {
      await using server = await testServer();
      const response = await server.fetch(transcriptions, { ...form(), headers: { prefer } });
      expect(response.status).toBe(202);
      expect(response.headers.get("preference-applied")).toBe("respond-async");
    },
  );

  test("is none where the form or the header says so", async () => {
    await using server = await testServer();
    const headers = { prefer: "respond-async" };
    expect((await server.fetch(transcriptions, { ...form({ async: "false" }), headers })).status).toBe(200);
    const other = { prefer: "x-respond-async, return=minimal" };
    expect((await server.fetch(transcriptions, { ...form(), headers: other })).status).toBe(200);
    expect(await server.blobs()).toBeEmpty();
  });

  test.each([
    ["a stream", { async: "true", stream: "true" }, "stream"],
    ["a switch that is none", { async: "perhaps" }, "async"],
    ["a webhook without a task", { webhook_url: "https://example.com" }, "webhook_url"],
    ["a field that a request could not have either", { async: "true", temperature: "7" }, "temperature"],
  ])("with %s is refused, and nothing is left", async (_, fields, param) => {
    await using server = await testServer();
    const response = await server.fetch(transcriptions, form(fields));
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "invalid_value", param });
    expect(await server.blobs()).toBeEmpty();
  });

  test("beyond what a caller may have is refused with 429, and nothing is left", async () => {
    await using server = await testServer({ config: { maxTasksPerCaller: 1 } });
    await submit(server);
    const response = await server.fetch(transcriptions, form({ async: "true" }));
    expect(response.status).toBe(429);
    expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(await errorOf(response)).toMatchObject({ code: "rate_limit_exceeded" });
    expect(await server.blobs()).toHaveLength(1);
  });

  test("for which there is no room is refused with 503, and nothing is left", async () => {
    await using server = await testServer({ config: { maxTaskBytes: 10_000 } });
    const response = await server.fetch(transcriptions, form({ async: "true" }, "x".repeat(10_000)));
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: "server_overloaded" });
    expect(await server.blobs()).toBeEmpty();
    expect(await jsonOf<{ data: unknown[] }>(await server.fetch(transcriptions))).toMatchObject({ data: [] });
  });

  test("to be told of needs someone who can be told: nothing is stored before that is known", async () => {
    const refused = new AppError("invalid_value", "Expected a URL for webhook_url", { param: "webhook_url" });
    const watchers: TaskWatchers = {
      check: () => Promise.reject(refused),
      async register() {},
      async ended() {},
      isWaiting: async () => false,
      async removed() {},
    };
    await using server = await testServer({ watchers });
    const response = await server.fetch(transcriptions, form({ async: "true", webhook_url: "x" }));
    expect(response.status).toBe(400);
    expect(await server.blobs()).toBeEmpty();
  });
});

describe("a task", () => {
  test("becomes the transcript of its recording, which is then gone", async () => {
    await using server = await testServer({ workers: 2 });
    const task = await submit(server, { language: "de", beam_size: "2" });
    const done = await ended(server, task);
    expect(done).toMatchObject({ status: "completed", progress: 1, duration: 2, error: null, total: 2 });
    expect(done.segments.map(({ text }) => text)).toEqual([" Hello", " world."]);
    const [request] = server.engine.requests;
    expect(request).toMatchObject({ priority: "batch" });
    expect(request?.options).toMatchObject({ language: "de", beamSize: 2 });
    expect(new TextDecoder().decode(request?.audio)).toBe("RIFF...");
    await noBlobs(server);
  });

  test("can be had in every format, byte for byte as a request would have been answered", async () => {
    await using server = await testServer({ workers: 2 });
    const views: Exclude<Fields, undefined>[] = [
      {},
      { include: ["logprobs"] },
      { response_format: "verbose_json", timestamp_granularities: ["word", "segment"] },
      { response_format: "verbose_json", timestamp_granularities: ["word"] },
      { response_format: "diarized_json", known_speaker_names: ["Ann"] },
    ];
    for (const view of views) {
      const format = String(view.response_format ?? "json");
      const task = await submit(server, view);
      await ended(server, task);
      for (const other of [format, "text", "srt", "vtt"]) {
        const answer = await server.fetch(
          transcriptions,
          form({
            ...view,
            ...(other === format ? {} : { response_format: other, timestamp_granularities: [] }),
          }),
        );
        const download = await server.fetch(at(task, `?response_format=${other}`));
        expect(download.headers.get("content-type")).toBe(answer.headers.get("content-type"));
        expect(await download.text()).toBe(await answer.text());
      }
    }
  });

  test("of a translation is the translation's", async () => {
    await using server = await testServer({ workers: 1 });
    const task = await submit(server, { response_format: "verbose_json" }, "/v1/audio/translations");
    expect(await ended(server, task)).toMatchObject({ task: "translate", status: "completed" });
    const answer = await server.fetch("/v1/audio/translations", form({ response_format: "verbose_json" }));
    const download = await server.fetch(at(task, "?response_format=verbose_json"));
    expect(await download.text()).toBe(await answer.text());
  });

  test("whose channels were mixed cannot be had by speakers", async () => {
    await using server = await testServer({ workers: 1 });
    const task = await submit(server);
    await ended(server, task);
    const response = await server.fetch(at(task, "?response_format=diarized_json"));
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ param: "response_format" });
  });

  test("has no transcript before its end: 409", async () => {
    await using server = await testServer();
    const task = await submit(server);
    const response = await server.fetch(at(task, "?response_format=text"));
    expect(response.status).toBe(409);
    expect(await errorOf(response)).toMatchObject({ code: "task_not_finished" });
  });

  test("shows its pages while it runs, and they stay as they were", async () => {
    const engine = new FakeEngine(testModel, numbered(7));
    const held = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    engine.beforeEvent = (index) => {
      if (index !== 6) return Promise.resolve();
      reached.resolve();
      return held.promise;
    };
    await using server = await testServer({ engine, workers: 1 });
    const task = await submit(server);
    await reached.promise;
    while ((await get(server, task)).total < 5) await Bun.sleep(1);
    const early = await get(server, task, "?page=2&page_size=2");
    expect(early).toMatchObject({ status: "running", total: 5, has_more: true, page: 2, page_size: 2 });
    expect(early.segments.map(({ id, text }) => [id, text])).toEqual([
      [2, " word2"],
      [3, " word3"],
    ]);
    expect(await get(server, task, "?page=3&page_size=2")).toMatchObject({ has_more: false });
    expect((await get(server, task, "?page=9&page_size=2")).segments).toEqual([]);
    held.resolve();
    await ended(server, task);
    const late = await get(server, task, "?page=2&page_size=2");
    expect(late.segments).toEqual(early.segments);
    expect(late).toMatchObject({ status: "completed", total: 7, has_more: true });
  });

  test.each(["page=0", "page=x", "page_size=1001", "page_size=0", "response_format=doc", "page=1&page=2"])(
    "is not shown for ?%s",
    async (query) => {
      await using server = await testServer();
      const response = await server.fetch(at(await submit(server), `?${query}`));
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({ param: query.split("=")[0] });
    },
  );

  test("that cannot be transcribed has failed, with the error that a request would have had", async () => {
    const engine = new FakeEngine();
    const refusal = new AppError("corrupt_audio", "The recording breaks off", { param: "file" });
    engine.refusal = refusal;
    await using server = await testServer({ engine, workers: 1 });
    const task = await ended(server, await submit(server));
    expect(task).toMatchObject({ status: "failed", error: refusal.toJSON() });
    await noBlobs(server);
    const response = await server.fetch(at(task, "?response_format=text"));
    expect(response.status).toBe(409);
  });

  test("that fails for a reason of ours does not tell it", async () => {
    const engine = new FakeEngine();
    engine.failure = new Error("secret path /etc/shadow");
    await using server = await testServer({ engine, workers: 1 });
    const task = await ended(server, await submit(server));
    expect(task.error).toMatchObject({ code: "internal_error" });
    expect(JSON.stringify(task)).not.toContain("shadow");
    expect(server.log.some(({ level, message }) => level === "error" && message === "task failed")).toBe(
      true,
    );
  });

  test("whose model cannot be loaded has failed with that reason", async () => {
    const engine = new FakeEngine();
    engine.refusal = new AppError("model_unavailable", "The model could not be loaded");
    await using server = await testServer({ engine, workers: 1 });
    const task = await ended(server, await submit(server));
    expect(task).toMatchObject({ status: "failed", error: { code: "model_unavailable" } });
  });

  test("that the engine has no place for waits, and is done later", async () => {
    const engine = new FakeEngine();
    engine.refusal = new AppError("server_overloaded", "The server is busy", { retryAfterSeconds: 0.01 });
    await using server = await testServer({ engine, workers: 1 });
    const task = await submit(server);
    await server.logged(({ message }) => message === "task given back");
    engine.refusal = null;
    expect(await ended(server, task)).toMatchObject({ status: "completed" });
  });

  test("that the engine still has no place for when its time is over has failed", async () => {
    const engine = new FakeEngine();
    engine.refusal = new AppError("server_overloaded", "Not enough memory", { retryAfterSeconds: 0.01 });
    await using server = await testServer({ engine, workers: 1, config: { taskTtlMs: 50 } });
    const task = await ended(server, await submit(server));
    expect(task).toMatchObject({ status: "failed", error: { code: "server_overloaded" } });
  });
});

test("a task for which its caller's budget of audio has no room waits until it has", async () => {
  const rateLimitsAudio = audioLimits.parse("3s/second") ?? [];
  await using server = await testServer({ workers: 2, config: { rateLimitsAudio } });
  const [one, two] = [
    await submit(server, {}, transcriptions, "one"),
    await submit(server, {}, transcriptions, "two"),
  ];
  const { fields } = await server.logged(({ message }) => message === "task given back");
  expect(fields.code).toBe("rate_limit_exceeded");
  for (const task of [one, two]) expect(await ended(server, task)).toMatchObject({ status: "completed" });
});

describe("the audio of a task", () => {
  const budget = audioLimits.parse("1h/hour") ?? [];
  const config = { rateLimitsAudio: budget };

  /** Milliseconds that were taken from the budget of who made the task; what the bucket gains meanwhile is left out. */
  const charged = async ({ store }: TestServer, { id }: TaskBody) => {
    const { caller = "" } = (await store.tasks.find(id)) ?? {};
    const { buckets } = await store.limiter.take(caller, budget, 0);
    return Math.ceil((3_600_000 - (buckets[0]?.remaining ?? 0)) / 1000) * 1000;
  };
  const length = 5000;

  test("is charged once, though it is begun again", async () => {
    const engine = new FakeEngine(testModel, numbered(length / 1000));
    engine.beforeEvent = (index) => (index === 2 ? new Promise(() => {}) : Promise.resolve());
    await using server = await testServer({ engine, config, workers: 1 });
    const task = await submit(server);
    while ((await get(server, task)).total < 1) await Bun.sleep(1);
    const once = await charged(server, task);
    expect(once).toBeGreaterThan(0);
    await server.tasks.close(0);
    expect(await get(server, task)).toMatchObject({ status: "queued" });
    engine.beforeEvent = () => Promise.resolve();
    server.tasks.start(1);
    expect(await ended(server, task)).toMatchObject({ status: "completed" });
    expect(await charged(server, task)).toBe(once);
  });

  test("is given back when it is cancelled before anything was said", async () => {
    const engine = new FakeEngine(testModel, numbered(length / 1000));
    engine.beforeEvent = (index) => (index === 1 ? new Promise(() => {}) : Promise.resolve());
    await using server = await testServer({ engine, config, workers: 1 });
    const task = await submit(server);
    while ((await charged(server, task)) === 0) await Bun.sleep(1);
    await server.fetch(at(task), { method: "DELETE" });
    await engine.cancelled.promise;
    while ((await charged(server, task)) > 0) await Bun.sleep(1);
  });
});

describe("a task whose process died", () => {
  test("is taken up where it was, and its pages stay", async () => {
    const engine = new FakeEngine(testModel, numbered(3));
    await using server = await testServer({ engine });
    const { tasks } = server.store;
    const { id } = await submit(server);
    await tasks.begin(id, Date.now());
    const early = testSegment(0, " word0", { avgLogprob: -0.125 });
    const progress = { durationMs: 3000, channels: 1, doneMs: 1000, totalMs: 3000 };
    await tasks.append(id, 1, 0, [writeSegment(early)], progress);
    const seen = await get(server, { id });
    server.tasks.start(1);
    const done = await ended(server, { id });
    expect(done).toMatchObject({ status: "completed", total: 3 });
    expect(done.segments[0]).toEqual(seen.segments[0] as never);
    expect(await tasks.find(id)).toMatchObject({ attempt: 2, losses: 1 });
  });

  test("ten times has failed, and is not begun again", async () => {
    await using server = await testServer();
    const { id } = await submit(server);
    for (let death = 0; death < 10; death++) await server.store.tasks.begin(id, Date.now());
    server.tasks.start(1);
    const done = await ended(server, { id });
    expect(done).toMatchObject({ status: "failed", error: { code: "internal_error" } });
    expect(done.error?.message).toContain("10 times");
    expect(server.engine.requests).toBeEmpty();
  });

  test("is not begun again when it had ended: what follows from that is done", async () => {
    const told: string[] = [];
    const watchers = { ...nobody, ended: async ({ status }: Task) => void told.push(status) };
    await using server = await testServer({ watchers });
    const { id } = await submit(server);
    const { tasks } = server.store;
    await tasks.begin(id, Date.now());
    await tasks.finish(id, 1, { status: "completed", language: "en" }, Date.now());
    server.tasks.start(1);
    await noBlobs(server);
    expect(told).toEqual(["completed"]);
    expect(server.engine.requests).toBeEmpty();
  });

  test("before it had a job gets one", async () => {
    await using server = await testServer();
    const { id } = await submit(server);
    await server.store.jobs.remove("transcription", id);
    server.tasks.start(1);
    expect(await ended(server, { id })).toMatchObject({ status: "completed" });
  });

  test("that cannot be read any more has failed, once and for all", async () => {
    await using server = await testServer();
    const { tasks, jobs, blobs } = server.store;
    const odd = { id: "task_odd", caller: "nobody", createdAtMs: 0, request: "{", blob: "odd", bytes: 1 };
    await Bun.write(join(server.uploadDir, "odd"), "RIFF");
    await blobs.put("odd", join(server.uploadDir, "odd"));
    await tasks.create(odd, { perCaller: 9, maxBytes: 9 });
    await jobs.add("transcription", odd.id);
    server.tasks.start(1);
    while ((await tasks.find(odd.id))?.status !== "failed") await Bun.sleep(1);
  });

  test("before it had its recording has failed", async () => {
    await using server = await testServer();
    const { id } = await submit(server);
    await server.store.blobs.remove(id);
    server.tasks.start(1);
    expect(await ended(server, { id })).toMatchObject({
      status: "failed",
      error: { code: "internal_error" },
    });
  });
});

describe("the end of a task", () => {
  test("is told to who watches, once its outcome is stored", async () => {
    const told: string[] = [];
    const registered: string[] = [];
    const watchers: TaskWatchers = {
      async check() {},
      async register(task: Task, { url, secret }) {
        registered.push(`${task.id} ${task.status} ${url} ${secret}`);
      },
      async ended(task: Task) {
        told.push(`${task.id} ${task.status}`);
      },
      isWaiting: async () => false,
      async removed() {},
    };
    await using server = await testServer({ watchers });
    const task = await submit(server, { webhook_url: "https://example.com/hook", webhook_secret: "s" });
    expect(registered).toEqual([`${task.id} queued https://example.com/hook s`]);
    expect(told).toEqual([]);
    await server.fetch(at(task), { method: "DELETE" });
    expect(told).toEqual([`${task.id} cancelled`]);
  });
});

describe("DELETE", () => {
  test("cancels a task that waits: it is never begun", async () => {
    await using server = await testServer();
    const task = await submit(server);
    const response = await server.fetch(at(task), { method: "DELETE" });
    expect(response.status).toBe(200);
    expect(await jsonOf<TaskBody>(response)).toMatchObject({ id: task.id, status: "cancelled" });
    await noBlobs(server);
    expect(await get(server, task)).toMatchObject({ status: "cancelled" });
  });

  test("stops a task that runs, at once", async () => {
    const engine = new FakeEngine();
    engine.beforeEvent = (index) => (index === 2 ? new Promise(() => {}) : Promise.resolve());
    await using server = await testServer({ engine, workers: 1 });
    const task = await submit(server);
    while ((await get(server, task)).total < 1) await Bun.sleep(1);
    await server.fetch(at(task), { method: "DELETE" });
    await engine.cancelled.promise;
    const left = await ended(server, task);
    expect(left).toMatchObject({ status: "cancelled", total: 1 });
    await noBlobs(server);
  });

  test("removes a task that has ended", async () => {
    await using server = await testServer({ workers: 1 });
    const task = await submit(server);
    await ended(server, task);
    const response = await server.fetch(at(task), { method: "DELETE" });
    expect(await jsonOf<Record<string, unknown>>(response)).toMatchObject({ id: task.id, deleted: true });
    for (const method of ["GET", "DELETE"])
      expect((await server.fetch(at(task), { method })).status).toBe(404);
  });

  const end = async (server: TestServer, task: TaskBody, query = "") => {
    const response = await server.fetch(at(task, query), { method: "DELETE" });
    return { code: response.status, ...(await jsonOf<Partial<TaskBody>>(response)) };
  };

  test("that is sent again cancels again: what was heard stays", async () => {
    await using server = await testServer();
    const task = await submit(server);
    for (let time = 0; time < 3; time += 1)
      expect(await end(server, task)).toMatchObject({ code: 200, id: task.id, status: "cancelled" });
    expect(await get(server, task)).toMatchObject({ status: "cancelled" });
  });

  test("that was answered with 503 in the middle is finished when it is sent again", async () => {
    const told: string[] = [];
    let isAway = true;
    const watchers: TaskWatchers = {
      ...nobody,
      async ended({ id, status }) {
        if (isAway) throw new StoreUnavailable(new Error("away"));
        told.push(`${id} ${status}`);
      },
    };
    await using server = await testServer({ watchers });
    const task = await submit(server);
    expect(await end(server, task)).toMatchObject({ code: 503 });
    isAway = false;
    expect(await end(server, task)).toMatchObject({ code: 200, status: "cancelled" });
    expect(told).toEqual([`${task.id} cancelled`]);
    await noBlobs(server);
  });

  test("with remove=false leaves a task that has ended as it is", async () => {
    await using server = await testServer({ workers: 1 });
    const task = await submit(server);
    await ended(server, task);
    expect(await end(server, task, "?remove=false")).toMatchObject({ code: 200, status: "completed" });
    expect(await get(server, task)).toMatchObject({ status: "completed" });
  });

  test("with remove=true leaves nothing of a task, whatever it does", async () => {
    const engine = new FakeEngine();
    engine.beforeEvent = (index) => (index === 2 ? new Promise(() => {}) : Promise.resolve());
    await using server = await testServer({ engine, workers: 1 });
    const task = await submit(server);
    while ((await get(server, task)).total < 1) await Bun.sleep(1);
    expect(await end(server, task, "?remove=true")).toMatchObject({ code: 200, deleted: true });
    await engine.cancelled.promise;
    expect(await end(server, task, "?remove=true")).toMatchObject({ code: 404 });
    await noBlobs(server);
  });
});

describe("the list", () => {
  test("has the caller's own tasks, newest first, page by page", async () => {
    await using server = await testServer();
    const ids: string[] = [];
    for (let each = 0; each < 5; each++) ids.unshift((await submit(server)).id);
    const page = await jsonOf<{ data: TaskBody[]; last_id: string; has_more: boolean }>(
      await server.fetch(`${transcriptions}?limit=2`),
    );
    expect(page.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(page).toMatchObject({ object: "list", has_more: true, last_id: ids[1] as string });
    const rest = await jsonOf<{ data: TaskBody[] }>(
      await server.fetch(`${transcriptions}?limit=9&after=${page.last_id}`),
    );
    expect(rest).toMatchObject({ has_more: false });
    expect(rest.data.map(({ id }) => id)).toEqual(ids.slice(2));
  });

  test.each([0, 7])("says that %d of his tasks may wait or run, before anything is sent", async (max) => {
    await using server = await testServer({ config: { maxTasksPerCaller: max } });
    const list = await jsonOf<object>(await server.fetch(transcriptions));
    expect(list).toMatchObject({ data: [], max_active: max });
  });

  test("can be of one status", async () => {
    await using server = await testServer();
    const [kept, left] = [await submit(server), await submit(server)];
    await server.fetch(at(left), { method: "DELETE" });
    for (const [status, id] of [
      ["queued", kept.id],
      ["cancelled", left.id],
    ]) {
      const { data } = await jsonOf<{ data: TaskBody[] }>(
        await server.fetch(`${transcriptions}?status=${status}`),
      );
      expect(data.map((task) => task.id)).toEqual([id as string]);
    }
    expect((await server.fetch(`${transcriptions}?status=lost`)).status).toBe(400);
  });
});

test("a caller sees and touches no task but his own", async () => {
  await using server = await testServer({ config: { apiKeys: ["ann-key", "bob-key"] } });
  const as = (key: string) => ({ authorization: `Bearer ${key}` });
  const made = await server.fetch(transcriptions, { ...form({ async: "true" }), headers: as("ann-key") });
  const task = await jsonOf<TaskBody>(made);
  for (const [path, method] of [
    [at(task), "GET"],
    [at(task, "?response_format=text"), "GET"],
    [at(task, "/events"), "GET"],
    [at(task), "DELETE"],
  ] as const) {
    const response = await server.fetch(path, { method, headers: as("bob-key") });
    expect([path, response.status]).toEqual([path, 404]);
    expect(await errorOf(response)).toMatchObject({ code: "task_not_found" });
    expect((await server.fetch(path, { method })).status).toBe(401);
  }
  const listed = await jsonOf<{ data: unknown[] }>(
    await server.fetch(transcriptions, { headers: as("bob-key") }),
  );
  expect(listed.data).toEqual([]);
  const own = await server.fetch(at(task), { headers: as("ann-key") });
  expect(await jsonOf<TaskBody>(own)).toMatchObject({ status: "queued" });
});

test.each(["task_0", "%zz", "task_%00", "x".repeat(5000)])("there is no task %p", async (id) => {
  await using server = await testServer();
  const response = await server.fetch(`${transcriptions}/${id}`);
  expect(response.status).toBe(404);
});
