/**
 * Tasks while their processes are killed at random points, and Redis with them. TASKS and KILLS: how many (200 and 10 take
 * minutes); SEED: where the kills fall.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { recording } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { startS3 } from "../helpers/s3.ts";
import { eventually, type LogLine, type Program, type Server, startServer, startWorker } from "./server.ts";
import { cancel, download, events, find, send, submit, type TaskBody } from "./tasks-client.ts";

setDefaultTimeout(900_000);

const tasks = Number(Bun.env.TASKS ?? 40);
const kills = Number(Bun.env.KILLS ?? 3);
const seed = Number(Bun.env.SEED ?? 1);

/** Short ones, and some of several windows that are killed in the middle. */
const names = [
  "en-digits.wav",
  "en-sentence.wav",
  "en-question.wav",
  "en-segments.mp3",
  "en-long-95s.mp3",
] as const;
const nameOf = (index: number) => names[index % 10 === 9 ? 4 : index % 4] ?? names[0];

/** Numbers from 0 to 1, the same for the same seed. */
function random(state: number): () => number {
  let bits = state >>> 0;
  return () => {
    bits = (Math.imul(bits, 1664525) + 1013904223) >>> 0;
    return bits / 2 ** 32;
  };
}

interface Promised {
  readonly id: string;
  readonly name: string;
}

/** What a client has seen of a task: nothing of it may ever be taken back. */
class Witness {
  readonly finished = new Map<string, number | null>();
  private readonly segments = new Map<string, TaskBody["segments"]>();

  see({ id, status, segments, finished_at }: TaskBody): void {
    const seen = this.segments.get(id) ?? [];
    expect(segments.slice(0, seen.length)).toEqual([...seen]);
    this.segments.set(id, segments);
    if (this.finished.has(id)) expect([id, finished_at]).toEqual([id, this.finished.get(id) ?? null]);
    if (status === "completed" || status === "failed") this.finished.set(id, finished_at);
  }
}

/** Takes webhooks. It outlives all servers. */
function receiver() {
  /** By task: the ids and types that came. Repetitions have the same id. */
  const told = new Map<string, Set<string>>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { type, data } = (await request.json()) as { type: string; data: TaskBody };
      const events = told.get(data.id) ?? new Set();
      told.set(data.id, events.add(`${request.headers.get("webhook-id")} ${type}`));
      return new Response(null, { status: 204 });
    },
  });
  return { told, url: `${server.url}hook`, [Symbol.asyncDispose]: () => server.stop(true) };
}

/** Asks whoever answers; a server that dies while it is asked is asked again, as soon as there is another. */
async function persist<T>(server: () => Server, ask: (url: string) => Promise<T>): Promise<T> {
  for (;;) {
    const { url, process } = server();
    try {
      return await ask(url);
    } catch (error) {
      if (process.exitCode === null && process.signalCode === null && !isConnection(error)) throw error;
      await Bun.sleep(10);
    }
  }
}

/** Refused, reset, or an answer that says to come again. */
const isConnection = (error: unknown) =>
  /ECONN|socket|Unable to connect|closed|503|broke off/i.test(
    `${(error as Error).message} ${(error as { code?: string }).code}`,
  );

/** Lines that tell of progress, three for each task: it is taken, its run has ended, its outcome is stored. */
const isProgress = ({ message, method }: LogLine) =>
  message === "transcribed" || message === "task completed" || (message === "request" && method === "POST");

/** Resolves when the program has come so much further. */
async function afterProgress(program: Program, count: number): Promise<void> {
  let left = count;
  await program.logged((line) => isProgress(line) && --left <= 0);
}

/** Every task that was promised has ended once, with the right text; nothing is left behind. */
async function judge(server: () => Server, promised: readonly Promised[], witness: Witness): Promise<void> {
  for (const { id, name } of promised) {
    const done = await eventually(
      () => persist(server, (url) => find(url, id)),
      ({ status }) => status !== "queued" && status !== "running",
    );
    expect([id, done.status, done.error]).toEqual([id, "completed", null]);
    witness.see(done);
    const text = await (await download(server().url, id, "text")).text();
    expect([id, text]).toEqual([id, `${recording(name).text}\n`]);
  }
  expect(new Set(promised.map(({ id }) => id)).size).toBe(promised.length);
}

/** Looks at tasks in turn, until told to stop. */
async function watch(
  server: () => Server,
  promised: readonly Promised[],
  witness: Witness,
  stop: AbortSignal,
) {
  for (let turn = 0; !stop.aborted; turn++) {
    const one = promised[turn % Math.max(1, promised.length)];
    if (one) witness.see(await persist(server, (url) => find(url, one.id)));
    await Bun.sleep(5);
  }
}

async function survive(settings: Readonly<Record<string, string>>): Promise<void> {
  await using hook = receiver();
  const env = { ...settings, WEBHOOK_ALLOW_PRIVATE: "true" };
  using folder = temporaryFolder();
  const dataDir = folder.path;
  const next = random(seed);
  const start = () => startServer({ dataDir, env });
  const promised: Promised[] = [];
  const witness = new Witness();
  const over = new AbortController();
  let server = await start();
  const current = () => server;
  try {
    const submitting = (async () => {
      for (let index = 0; index < tasks; index++) {
        const name = nameOf(index);
        const { id } = await persist(current, (url) => submit(url, name, { webhook_url: hook.url }));
        promised.push({ id, name });
      }
    })();
    const watching = watch(current, promised, witness, over.signal);
    // What fails meanwhile is told below.
    watching.catch(() => {});
    submitting.catch(() => {});
    // So far apart, at most, that even the last kill falls into the work.
    const furthest = Math.floor((tasks * 3 * 0.6) / kills);
    for (let kill = 0; kill < kills; kill++) {
      await afterProgress(server, 1 + Math.floor(next() * furthest));
      for (let ticks = Math.floor(next() * 200); ticks > 0; ticks--) await new Promise(setImmediate);
      await server.kill();
      expect(witness.finished.size).toBeLessThan(tasks);
      server = await start();
    }
    await submitting;
    await judge(current, promised, witness);
    over.abort();
    await watching;
    expect(promised).toHaveLength(tasks);
    for (const { id } of promised) {
      await eventually(
        async () => hook.told.get(id),
        (told) => told !== undefined,
      );
    }
    for (const told of hook.told.values()) {
      expect([...told]).toEqual([expect.stringMatching(/^msg_\w+ transcription\.completed$/)]);
    }
    // Nothing runs that nobody is promised, and no recording is left of those that were.
    const ids = new Set(promised.map(({ id }) => id));
    const left = await readdir(join(dataDir, "blobs"));
    expect(left.filter((name) => ids.has(name))).toEqual([]);
    expect(await server.stop()).toBe(0);
  } finally {
    over.abort();
    await server.kill();
  }
}

describe(`${tasks} tasks, while the process is killed ${kills} times,`, () => {
  test("end and are told of once each, with the right text, on SQLite", () => survive({}));

  test.skipIf(redisServer === null)(
    "end and are told of once each, with the right text, on Redis (needs redis-server)",
    async () => {
      await using redis = await startRedis();
      await survive({ REDIS_URL: redis.url });
    },
  );
});

const many = (count: number) => Array.from({ length: count }, (_, index) => nameOf(index));

describe.skipIf(redisServer === null)("on Redis (needs redis-server)", () => {
  test("a restart of Redis loses no task; without it requests are answered, and tasks are refused", async () => {
    await using redis = await startRedis();
    await using server = await startServer({ env: { REDIS_URL: redis.url } });
    const { url } = server;
    const promised: Promised[] = [];
    for (const name of many(10)) {
      const { id } = await persist(
        () => server,
        (any) => submit(any, name),
      );
      promised.push({ name, id });
    }
    await server.logged(({ message }) => message === "task completed");
    await redis.kill();
    const answer = await send(url, "en-digits.wav");
    expect(await answer.json()).toMatchObject({ text: recording("en-digits.wav").text });
    for (const response of [
      await send(url, "en-digits.wav", { async: "true" }),
      await fetch(`${url}/v1/audio/transcriptions/${promised[0]?.id}`),
    ]) {
      expect(response.status).toBe(503);
      expect(response.headers.get("x-should-retry")).toBe("true");
      expect(await response.json()).toMatchObject({ error: { code: "store_unavailable" } });
    }
    expect(await readdir(join(server.dataDir, "uploads"))).toEqual([]);
    await redis.start();
    await judge(() => server, promised, new Witness());
    const { id } = await persist(
      () => server,
      (any) => submit(any, "en-digits.wav"),
    );
    await judge(() => server, [{ id, name: "en-digits.wav" }], new Witness());
  });

  test("two servers and a worker share tasks: any of them shows, follows and cancels any task", async () => {
    await using redis = await startRedis();
    using folder = temporaryFolder();
    const dataDir = folder.path;
    const shared = { dataDir, env: { REDIS_URL: redis.url, MAX_RUNNING_TASKS: "2" } };
    const [one, two, worker] = await Promise.all([
      startServer({ ...shared, args: ["--no-worker"] }),
      startServer({ ...shared, args: ["--no-worker"] }),
      startWorker(shared),
    ]);
    await using _ = new AsyncDisposableStack();
    for (const program of [one, two, worker]) _.use(program);
    const promised: Promised[] = [];
    for (const [index, name] of many(10).entries()) {
      const { id } = await persist(
        () => (index % 2 ? one : two),
        (url) => submit(url, name),
      );
      promised.push({ name, id });
    }
    const left = await submit(one.url, "en-long-95s.mp3", { beam_size: "8" });
    expect(await (await cancel(two.url, left.id)).json()).toMatchObject({ status: "cancelled" });
    let text = "";
    for await (const event of events(two.url, promised[9]?.id ?? "")) {
      if (event.type === "transcript.text.delta") text += event.delta;
    }
    expect(text).toBe(recording("en-long-95s.mp3").text);
    expect(await find(one.url, left.id)).toMatchObject({ status: "cancelled" });
    await judge(() => one, promised, new Witness());
    await judge(() => two, promised, new Witness());
    for (const program of [one, two, worker]) expect(await program.stop()).toBe(0);
    const done = worker.log().filter(({ message }) => message === "task completed");
    expect(done).toHaveLength(10);
    for (const server of [one, two])
      expect(server.log().some(({ message }) => message === "transcribed")).toBe(false);
  });
});

test.skipIf(redisServer === null)(
  "a worker on another machine gets recordings from a bucket, and none stays there (needs redis-server)",
  async () => {
    await using redis = await startRedis();
    await using s3 = await startS3();
    const env = {
      REDIS_URL: redis.url,
      BLOB_URL: `s3://${s3.bucket}/tasks`,
      S3_ENDPOINT: s3.endpoint,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    };
    // Folders of their own.
    await using server = await startServer({ env, args: ["--no-worker"] });
    await using worker = await startWorker({ env });
    const promised: Promised[] = [];
    for (const name of many(5)) {
      const { id } = await persist(
        () => server,
        (url) => submit(url, name),
      );
      promised.push({ name, id });
    }
    await judge(() => server, promised, new Witness());
    const left = () => s3.client.list({ prefix: "tasks/" });
    await eventually(left, ({ contents = [] }) => contents.length === 0);
    expect(await readdir(join(worker.dataDir, "downloads"))).toEqual([]);
    expect(await server.leftovers()).toEqual([]);
  },
);

/** A small disk of its own, as a user may have one in a namespace of his own. */
const smallDisk = (dir: string) => [
  ...["unshare", "--user", "--map-root-user", "--mount", "bash", "-c"],
  ...[`mount -t tmpfs -o size=4m none '${dir}' && exec "$@"`, "small-disk"],
];
const canMount = (() => {
  if (process.platform !== "linux" || Bun.which("unshare") === null) return false;
  using folder = temporaryFolder();
  return Bun.spawnSync([...smallDisk(folder.path), "true"], { stderr: "ignore" }).success;
})();

test.skipIf(!canMount)(
  "a full disk is told with 503, what was promised stays, and it goes on when there is room (needs user namespaces)",
  async () => {
    using folder = temporaryFolder();
    const dataDir = folder.path;
    await using server = await startServer({ dataDir, wrapper: smallDisk(dataDir), args: ["--no-worker"] });
    const { url } = server;
    // The disk as the server sees it.
    const disk = join(`/proc/${server.process.pid}/root`, dataDir);
    const promised: Promised[] = [];
    let refused: Response;
    for (;;) {
      refused = await send(url, "en-two-speakers.wav", { async: "true" });
      if (refused.status !== 202) break;
      promised.push({ name: "en-two-speakers.wav", id: ((await refused.json()) as TaskBody).id });
    }
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { code: "store_unavailable" } });
    expect(promised.length).toBeGreaterThan(1);
    expect((await readdir(join(disk, "blobs"))).sort()).toEqual(promised.map(({ id }) => id).sort());
    expect(await readdir(join(disk, "uploads"))).toEqual([]);
    // To the last byte: now the database cannot write either.
    const filler = join(disk, "filler");
    await fill(filler);
    expect((await send(url, "en-digits.wav", { async: "true" })).status).toBe(503);
    expect((await cancel(url, promised[0]?.id ?? "")).status).toBe(503);
    await rm(filler);
    for (const { id } of promised) expect(await find(url, id)).toMatchObject({ status: "queued" });
    const [first] = promised;
    expect((await cancel(url, first?.id ?? "")).status).toBe(200);
    await submit(url, "en-digits.wav");
  },
);

/** Writes until nothing more fits. */
async function fill(path: string): Promise<void> {
  await using file = await open(path, "w");
  const fits = (bytes: Buffer) =>
    file.write(bytes).then(
      ({ bytesWritten }) => bytesWritten === bytes.length,
      (error: { code?: string }) => {
        expect(error.code).toBe("ENOSPC");
        return false;
      },
    );
  while (await fits(Buffer.alloc(4096)));
}
