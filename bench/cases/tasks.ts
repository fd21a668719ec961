import { redisServer, startRedis } from "../../test/helpers/redis.ts";
import type { Bench, Case } from "../bench.ts";
import type { Server } from "../servers.ts";

const recording = "en-digits.wav";
const count = 200;
const clients = 8;

/** Many tiny clips, so that what is stored for each of them shows. */
export const tasks: Case = {
  name: "tasks",
  about: `${count} three-second clips by ${clients} clients: as requests, as tasks on SQLite, as tasks on Redis`,
  async run(bench, table) {
    const add = (what: string, perSecond: number) =>
      table.add("tasks", `${count} clips, ${what}`, "per second", "whisper-api", perSecond);
    for await (const name of bench.turns(["whisper-api"])) {
      await withServer(bench, {}, async (server) => {
        const path = bench.recording(recording);
        add("requests", await rate(() => each(() => server.transcribe(path, "en"))));
        add("tasks on SQLite", await rate(() => asTasks(server, path)));
      });
      if (redisServer === null) {
        table.notes.add(`tasks: ${name} without Redis: redis-server is not installed`);
        continue;
      }
      await using redis = await startRedis();
      await withServer(bench, { REDIS_URL: redis.url }, async (server) => {
        add("tasks on Redis", await rate(() => asTasks(server, bench.recording(recording))));
      });
    }
  },
};

async function withServer(
  bench: Bench,
  env: Readonly<Record<string, string>>,
  act: (server: Server) => Promise<void>,
): Promise<void> {
  const server = await bench.freshServer("whisper-api", env);
  try {
    await server.transcribe(bench.recording(recording), "en");
    await act(server);
  } finally {
    await server.stop();
  }
}

/** Clips per second. */
async function rate(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (count * 1000) / (performance.now() - startedAt);
}

/** `count` times, by all clients. */
async function each(act: () => Promise<unknown>): Promise<void> {
  let left = count;
  const client = async () => {
    while (left-- > 0) await act();
  };
  await Promise.all(Array.from({ length: clients }, client));
}

/** Until the last one has ended. */
async function asTasks(server: Server, path: string): Promise<void> {
  const url = `${server.url}/v1/audio/transcriptions`;
  const ids: string[] = [];
  await each(async () => {
    const form = new FormData();
    for (const [key, value] of Object.entries({ ...server.fields, language: "en", async: "true" }))
      form.set(key, value);
    form.set("file", Bun.file(path));
    const response = await fetch(url, { method: "POST", body: form });
    if (response.status !== 202) throw new Error(`Expected status 202 but received ${response.status}`);
    ids.push(((await response.json()) as { id: string }).id);
  });
  for (const id of ids) {
    const events = await (await fetch(`${url}/${id}/events`)).text();
    if (!events.includes('"status":"completed"'))
      throw new Error(`Expected a completed task but received ${events}`);
  }
}
