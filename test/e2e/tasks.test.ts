/** Async tasks on the real server, by itself on SQLite: what they become, and what ends of processes leave of them. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { recording } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { eventually, type Server, startServer, startWorker } from "./server.ts";
import { cancel, download, ended, events, find, send, submit, type TaskBody } from "./tasks-client.ts";

setDefaultTimeout(120_000);

const long = "en-long-95s.mp3";
/** Beams make it slow enough to be caught in the middle. */
const slow = { beam_size: "8" };

/** Resolves when some of its segments are there, and not all. */
const halfway = (server: Server, { id }: TaskBody) =>
  eventually(
    () => find(server.url, id),
    ({ total, status }) => {
      if (status === "completed") throw new Error("It was too fast");
      return total > 0;
    },
  );

const blobs = (dataDir: string) => readdir(join(dataDir, "blobs")).catch(() => []);

async function withFolder(act: (dataDir: string) => Promise<void>): Promise<void> {
  using folder = temporaryFolder();
  await act(folder.path);
}

test("a task becomes what the answer would have been, byte for byte, in every format", async () => {
  await using server = await startServer();
  const { url } = server;
  for (const [name, fields, formats] of [
    ["en-segments.mp3", {}, ["json", "text", "srt", "vtt"]],
    ["en-sentence.wav", { "include[]": "logprobs" }, ["json"]],
    [
      "en-segments.mp3",
      { response_format: "verbose_json", "timestamp_granularities[]": "word" },
      ["verbose_json"],
    ],
    ["en-two-speakers.wav", { response_format: "diarized_json" }, ["diarized_json"]],
  ] as const) {
    const task = await submit(url, name, fields);
    expect(await ended(url, task.id)).toMatchObject({ status: "completed", progress: 1, error: null });
    for (const format of formats) {
      const answer = await send(url, name, { ...fields, response_format: format });
      const downloaded = await download(url, task.id, format);
      expect(downloaded.headers.get("content-type")).toBe(answer.headers.get("content-type"));
      expect(await downloaded.text()).toBe(await answer.text());
    }
  }
  expect(await blobs(server.dataDir)).toBeEmpty();
  expect(await server.leftovers()).toBeEmpty();
});

test("a translation can be a task", async () => {
  await using server = await startServer();
  const response = await send(
    server.url,
    "de-digits.wav",
    { async: "true", language: "de" },
    "/v1/audio/translations",
  );
  const { id } = (await response.json()) as TaskBody;
  await ended(server.url, id);
  expect(await (await download(server.url, id, "text")).text()).toBe(
    `${recording("de-digits.wav").english}\n`,
  );
});

test("the events of a task are those of a stream that is read while it runs", async () => {
  await using server = await startServer();
  const { id } = await submit(server.url, long);
  let text = "";
  let done: unknown;
  let last = 0;
  const statuses: unknown[] = [];
  for await (const event of events(server.url, id)) {
    if (event.type === "transcript.text.delta") text += event.delta;
    if (event.type === "transcript.text.done") done = event.text;
    if (event.type === "task.status") statuses.push(event.status);
    expect(event.sequence).toBeGreaterThanOrEqual(last);
    last = Number(event.sequence);
  }
  expect(text).toBe(recording(long).text);
  expect(done).toBe(text);
  expect(statuses.at(-1)).toBe("completed");
});

test("a file that is no recording is a failed task, and the next one is done", async () => {
  await using server = await startServer();
  const body = new FormData();
  body.append("async", "true");
  body.append("file", new File(["this is no audio"], "speech.wav"));
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", body });
  expect(response.status).toBe(202);
  const { id } = (await response.json()) as TaskBody;
  expect(await ended(server.url, id)).toMatchObject({
    status: "failed",
    error: { type: "invalid_request_error", param: "file" },
  });
  const next = await submit(server.url, "en-digits.wav");
  expect(await ended(server.url, next.id)).toMatchObject({ status: "completed" });
  expect(await blobs(server.dataDir)).toBeEmpty();
});

test("a task that runs is cancelled at once, and its memory is free", async () => {
  await using server = await startServer();
  const task = await submit(server.url, long, slow);
  await halfway(server, task);
  expect(await (await cancel(server.url, task.id)).json()).toMatchObject({ status: "cancelled" });
  await eventually(
    async () => (await (await fetch(`${server.url}/ready`)).json()) as { running: number },
    ({ running }) => running === 0,
  );
  expect(await find(server.url, task.id)).toMatchObject({ status: "cancelled" });
  expect(await blobs(server.dataDir)).toBeEmpty();
});

describe("a task that runs when", () => {
  test("the process is killed is finished by the next one, and the pages that were read stay true", () =>
    withFolder(async (dataDir) => {
      await using first = await startServer({ dataDir });
      const task = await submit(first.url, long, slow);
      const seen = await halfway(first, task);
      await first.kill();
      await using second = await startServer({ dataDir });
      const now = await find(second.url, task.id);
      expect(now.segments.slice(0, seen.total)).toEqual([...seen.segments]);
      const done = await ended(second.url, task.id);
      expect(done).toMatchObject({ status: "completed", error: null });
      expect(done.segments.slice(0, seen.total)).toEqual([...seen.segments]);
      expect(await (await download(second.url, task.id, "text")).text()).toBe(`${recording(long).text}\n`);
      expect(await blobs(dataDir)).toBeEmpty();
    }));

  test("the server is stopped is given back, and finished by the next one", () =>
    withFolder(async (dataDir) => {
      await using first = await startServer({ dataDir, env: { SHUTDOWN_TIMEOUT: "1ms" } });
      const task = await submit(first.url, long, slow);
      const seen = await halfway(first, task);
      expect(await first.stop()).toBe(0);
      expect(first.log().some(({ message }) => message === "task given back")).toBe(true);
      await using second = await startServer({ dataDir });
      const done = await ended(second.url, task.id);
      expect(done).toMatchObject({ status: "completed", error: null });
      expect(done.segments.slice(0, seen.total)).toEqual([...seen.segments]);
    }));

  test("the server is stopped may end, if it does so in time", () =>
    withFolder(async (dataDir) => {
      await using first = await startServer({ dataDir });
      const task = await submit(first.url, long);
      await halfway(first, task);
      expect(await first.stop()).toBe(0);
      await using second = await startServer({ dataDir, args: ["--no-worker"] });
      expect(await find(second.url, task.id)).toMatchObject({ status: "completed" });
    }));

  test("it is cancelled in another process is stopped within seconds", () =>
    withFolder(async (dataDir) => {
      await using server = await startServer({ dataDir, args: ["--no-worker"] });
      await using worker = await startWorker({ dataDir });
      const task = await submit(server.url, long, slow);
      await halfway(server, task);
      await cancel(server.url, task.id);
      const line = await worker.logged(({ message }) => message === "transcribed");
      expect(line.failed).toBe("request_cancelled");
      expect(await find(server.url, task.id)).toMatchObject({ status: "cancelled" });
    }));
});

test("a task outlives a start that fails, as with a model that cannot be loaded", () =>
  withFolder(async (dataDir) => {
    await using first = await startServer({ dataDir, args: ["--no-worker"] });
    const task = await submit(first.url, "en-digits.wav");
    await first.kill();
    const broken = join(dataDir, "broken.bin");
    await Bun.write(broken, "no model");
    const refused = await startWorker({ dataDir, env: { WHISPER_MODEL: broken } }).catch(
      (error: Error) => error,
    );
    expect(String(refused)).toContain("The model of WHISPER_MODEL cannot be used");
    await using second = await startServer({ dataDir });
    expect(await ended(second.url, task.id)).toMatchObject({ status: "completed" });
  }));

describe("a worker without HTTP", () => {
  test("does the tasks of a server that does none, and ends cleanly", () =>
    withFolder(async (dataDir) => {
      await using server = await startServer({ dataDir, env: { WORKER: "false" } });
      const task = await submit(server.url, "en-segments.mp3");
      expect(await find(server.url, task.id)).toMatchObject({ status: "queued" });
      await using worker = await startWorker({ dataDir, args: ["--concurrency", "1"] });
      expect(await ended(server.url, task.id)).toMatchObject({ status: "completed" });
      expect(await worker.stop()).toBe(0);
      expect(worker.log().at(-1)?.message).toBe("stopped");
      expect(await worker.stdout()).toBe("");
    }));

  test("gives back what it has not finished in time", () =>
    withFolder(async (dataDir) => {
      await using server = await startServer({ dataDir, args: ["--no-worker"] });
      const task = await submit(server.url, long, slow);
      await using first = await startWorker({ dataDir, env: { SHUTDOWN_TIMEOUT: "1ms" } });
      await halfway(server, task);
      expect(await first.stop()).toBe(0);
      expect(await find(server.url, task.id)).toMatchObject({ status: "queued" });
      await using _second = await startWorker({ dataDir });
      expect(await ended(server.url, task.id)).toMatchObject({ status: "completed" });
    }));
});

test("results go when their time is over", () =>
  withFolder(async (dataDir) => {
    await using first = await startServer({ dataDir });
    const task = await submit(first.url, "en-digits.wav");
    await ended(first.url, task.id);
    await first.stop();
    await using second = await startServer({ dataDir, env: { TASK_TTL: "1s" } });
    const answer = await eventually(
      () => fetch(`${second.url}/v1/audio/transcriptions/${task.id}`),
      ({ status }) => status !== 200,
    );
    expect(answer.status).toBe(404);
  }));
