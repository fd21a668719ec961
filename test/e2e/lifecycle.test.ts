/** How the server starts, is filled, is left by its clients, and ends. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { recording } from "../fixtures/index.ts";
import { eventually, root, type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

interface Options {
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
}

/** Posts a recording, decoded as fast as can be. */
function post(
  server: Server,
  name = "en-digits.wav",
  { stream = false, signal }: Options = {},
): Promise<Response> {
  const body = new FormData();
  body.append("beam_size", "1");
  body.append("language", "en");
  body.append("stream", String(stream));
  body.append("file", Bun.file(recording(name).path));
  return fetch(`${server.url}/v1/audio/transcriptions`, {
    method: "POST",
    body,
    ...(signal ? { signal } : {}),
  });
}

const textOf = async (response: Response) => ((await response.json()) as { text?: string }).text;

interface Ready {
  readonly status: string;
  readonly running: number;
  readonly queued: number;
}

const ready = async (server: Server) => (await (await fetch(`${server.url}/ready`)).json()) as Ready;

const running = (server: Server) =>
  eventually(
    () => ready(server),
    (found) => found.running > 0,
  );

const idle = (server: Server) =>
  eventually(
    () => ready(server),
    (found) => found.running + found.queued === 0,
  );

describe("a client that goes away", () => {
  test("while its recording is transcribed ends the run, long before the recording's end", async () => {
    await using server = await startServer();
    const gone = new AbortController();
    const response = post(server, "en-long-95s.mp3", { signal: gone.signal });
    await running(server);
    await post(server); // meanwhile the long one has been decoded and is running
    gone.abort();
    await expect(response).rejects.toThrow();
    await idle(server);
    await server.logged(({ message, failed }) => message === "transcribed" && failed === "request_cancelled");
    await server.logged(({ message, status }) => message === "request" && status === 499);
    expect(await server.leftovers()).toEqual([]);
    expect(await textOf(await post(server))).toBe(recording("en-digits.wav").text);
  });

  test("while it reads a stream ends the run", async () => {
    await using server = await startServer();
    const gone = new AbortController();
    const response = await post(server, "en-long-95s.mp3", { stream: true, signal: gone.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    gone.abort();
    await idle(server);
    await server.logged(({ message, failed }) => message === "transcribed" && failed === "request_cancelled");
    expect(server.log().filter(({ level }) => level === "error")).toEqual([]);
  });

  test("while it waits in the queue leaves its place to the next", async () => {
    await using server = await startServer({ env: { MAX_RUNS: "1", MAX_QUEUE: "2" } });
    const first = post(server, "en-segments.wav");
    await running(server);
    const gone = new AbortController();
    const waiting = post(server, "en-segments.wav", { signal: gone.signal });
    await eventually(
      () => ready(server),
      ({ queued }) => queued === 1,
    );
    const next = post(server);
    gone.abort();
    await expect(waiting).rejects.toThrow();
    expect(await textOf(await next)).toBe(recording("en-digits.wav").text);
    expect(await textOf(await first)).toBe(recording("en-segments.wav").text);
    await idle(server);
  });
});

describe("a full queue", () => {
  test("refuses with 503 and when to come back; the official client then does", async () => {
    await using server = await startServer({ env: { MAX_RUNS: "1", MAX_QUEUE: "0" } });
    const long = post(server, "en-long-95s.mp3");
    await running(server);
    expect((await fetch(`${server.url}/ready`)).status).toBe(503);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);

    const refused = await post(server);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get("retry-after"))).toBeWithin(1, 61);
    expect(refused.headers.get("x-should-retry")).toBe("true");
    expect(await refused.json()).toEqual({
      error: {
        message: expect.stringContaining("busy"),
        type: "server_error",
        param: null,
        code: "server_overloaded",
      },
    });

    const retries: string[] = [];
    const client = new OpenAI({
      apiKey: "any",
      baseURL: `${server.url}/v1`,
      maxRetries: 2,
      fetch: async (url, init) => {
        const headers = new Headers(init?.headers);
        const response = await fetch(url, init);
        const count = headers.get("x-stainless-retry-count");
        if (count === null) return response; // the client tries out what fetch can do
        retries.push(count);
        if (response.status === 503) {
          // what it was told to wait for: the end of the long one
          await long;
          await idle(server);
          return new Response(response.body, {
            status: 503,
            headers: { "x-should-retry": "true", "retry-after-ms": "1" },
          });
        }
        return response;
      },
    });
    const file = new File([await Bun.file(recording("en-digits.wav").path).bytes()], "a.wav");
    const { text } = await client.audio.transcriptions.create({ file, model: "whisper-1", language: "en" });
    expect(text).toBe(recording("en-digits.wav").text);
    expect(retries).toEqual(["0", "1"]);
    expect((await long).status).toBe(200);
  });
});

describe("SIGTERM", () => {
  test("lets a running request be answered, and ends with 0", async () => {
    await using server = await startServer();
    const answer = post(server, "en-segments.wav");
    const stream = await post(server, "en-segments.mp3", { stream: true });
    await running(server);
    const exited = server.stop();
    const response = await answer;
    expect(response.status).toBe(200);
    expect(await textOf(response)).toBe(recording("en-segments.wav").text);
    expect(await stream.text()).toEndWith("data: [DONE]\r\n\r\n");
    expect(await exited).toBe(0);
    expect(server.process.signalCode).toBeNull();
    await server.logged(({ message }) => message === "stopped");
  });

  test("ends work that takes longer than it may, with an error for the client", async () => {
    await using server = await startServer({ env: { SHUTDOWN_TIMEOUT: "1ms" } });
    const answer = post(server, "en-long-95s.mp3");
    await running(server);
    const exited = server.stop();
    const response = await answer;
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: "server_shutting_down" } });
    expect(await exited).toBe(0);
  });

  test("ends an idle server at once, though a client keeps its connection", async () => {
    await using server = await startServer();
    const socket = connect(server.port, "127.0.0.1", () =>
      socket.write("GET /health HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
    await new Promise((resolve) => socket.once("data", resolve));
    expect(await server.stop()).toBe(0);
    socket.destroy();
  });

  test("frees the port for the next start", async () => {
    await using first = await startServer();
    const { port } = first;
    expect(await first.stop()).toBe(0);
    await using second = await startServer({ env: { PORT: String(port) } });
    expect(second.port).toBe(port);
    expect((await fetch(`${second.url}/health`)).status).toBe(200);
  });
});

test("a port that is taken is said, and what to do", async () => {
  await using server = await startServer();
  const child = Bun.spawn([process.execPath, "src/main.ts", "serve"], {
    cwd: root,
    env: {
      PATH: Bun.env.PATH,
      HOST: "127.0.0.1",
      PORT: String(server.port),
      WHISPER_MODEL: "demo",
      VAD_MODEL: "off",
      DATA_DIR: server.dataDir,
    },
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  expect(await child.exited).toBe(2);
  expect(said).toContain("The port is in use. Set PORT to another one.");
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

test("what a killed server left is removed by the next start, and nothing else", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "whisper-e2e-"));
  try {
    await using killed = await startServer({ dataDir });
    const socket = connect(killed.port, "127.0.0.1", () =>
      socket.write(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n" +
          'Content-Length: 100000\r\n\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF',
      ),
    );
    socket.on("error", () => {});
    await eventually(
      () => killed.leftovers(),
      (names) => names.length === 1,
    );
    killed.process.kill("SIGKILL");
    await killed.process.exited;
    socket.destroy();
    expect(await killed.leftovers()).toHaveLength(1);
    await Bun.write(join(killed.uploadDir, "of-somebody-else.wav"), "keep");
    await using next = await startServer({ dataDir });
    expect(await readdir(next.uploadDir)).toEqual(["of-somebody-else.wav"]);
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test("without weights and network it answers with the demo model, and says so everywhere", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "whisper-e2e-"));
  try {
    await using server = await startServer({
      dataDir,
      env: { WHISPER_MODEL: "base", MODELS_DIR: dataDir, VAD_MODEL: "silero-v6.2.0" },
    });
    const warning = /^The weights of base could not be downloaded, the bundled demo model answers/;
    const health = (await (await fetch(`${server.url}/health`)).json()) as { model: string; warning: string };
    expect(health.model).toBe("demo");
    expect(health.warning).toMatch(warning);
    const models = (await (await fetch(`${server.url}/v1/models`)).json()) as {
      data: { id: string; warning?: string }[];
    };
    expect(models.data.find(({ id }) => id === "demo")?.warning).toBe(health.warning);
    const line = server.log().find(({ message }) => warning.test(message));
    expect(line?.level).toBe("warn");
    expect(await textOf(await post(server))).toBe(recording("en-digits.wav").text);

    const body = new FormData();
    body.append("vad", "true");
    body.append("file", Bun.file(recording("en-digits.wav").path));
    const refused = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", body });
    expect(refused.status).toBe(503);
    expect(refused.headers.get("x-should-retry")).toBe("false");
    expect(await refused.json()).toMatchObject({ error: { code: "model_unavailable", param: "vad" } });
  } finally {
    await rm(dataDir, { recursive: true });
  }
});

test.skipIf(Bun.which("curl") === null || Bun.which("bash") === null)(
  "the curl line that it prints works when pasted (needs curl and bash)",
  async () => {
    const child = Bun.spawn([process.execPath, "src/main.ts", "serve"], {
      cwd: root,
      env: {
        PATH: Bun.env.PATH,
        HOST: "127.0.0.1",
        PORT: "0",
        WHISPER_MODEL: "demo",
        VAD_MODEL: "off",
        DATA_DIR: join(tmpdir(), `whisper-e2e-${process.pid}`),
        LOG_FORMAT: "text",
        API_KEY: "pasted-key",
        THREADS: "1",
      },
      stdout: "pipe",
      stderr: "ignore",
    });
    try {
      let printed = "";
      for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
        printed += piece;
        if (/curl .*\n/.test(printed)) break;
      }
      const [line = ""] = /curl .*/.exec(printed) ?? [];
      const pasted = Bun.spawn(["bash", "-c", line], {
        cwd: root,
        env: { PATH: Bun.env.PATH, API_KEY: "pasted-key" },
        stdout: "pipe",
        stderr: "ignore",
      });
      expect(await new Response(pasted.stdout).json()).toMatchObject({
        text: recording("en-sentence.wav").text,
      });
    } finally {
      child.kill("SIGKILL");
      await child.exited;
      await rm(join(tmpdir(), `whisper-e2e-${process.pid}`), { recursive: true, force: true });
    }
  },
);

test("a short clip is answered while a long recording runs", async () => {
  await using server = await startServer({ env: { SLOTS: "1" } });
  const order: string[] = [];
  const long = post(server, "en-long-95s.mp3").then(() => order.push("long"));
  await running(server);
  await post(server).then(() => order.push("short"));
  await long;
  expect(order).toEqual(["short", "long"]);
});
