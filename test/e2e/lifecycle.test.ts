/** How the server starts, what it says then, and how it ends. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { recording } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { post, running, textOf } from "./requests.ts";
import { eventually, root, startServer } from "./server.ts";

setDefaultTimeout(60_000);

describe("SIGTERM", () => {
  test("lets a running request be answered, and ends with 0", async () => {
    await using server = await startServer();
    const answer = post(server, "en-long-95s.mp3");
    const stream = await post(server, "en-long-95s.mp3", { stream: true });
    await running(server);
    const exited = server.stop();
    const response = await answer;
    expect(response.status).toBe(200);
    expect(await textOf(response)).toBe(recording("en-long-95s.mp3").text);
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

test("a folder for data that cannot be written to is said in a sentence", async () => {
  const child = Bun.spawn([process.execPath, "src/main.ts", "serve"], {
    cwd: root,
    env: { PATH: Bun.env.PATH, WHISPER_MODEL: "demo", VAD_MODEL: "off", DATA_DIR: "/dev/null" },
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = await new Response(child.stderr).text();
  expect(await child.exited).toBe(2);
  expect(said).toMatch(
    /^Invalid settings:\n {2}Expected a folder [^\n]+ for DATA_DIR but received "\/dev\/null": [^\n]+\n$/,
  );
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
  expect(said).toContain(`Port ${server.port} is in use: set PORT to another one.`);
  expect(said).not.toContain("model loaded");
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
});

test("what a killed server left is removed by the next start, and nothing else", async () => {
  using folder = temporaryFolder();
  const dataDir = folder.path;
  await using killed = await startServer({ dataDir });
  const socket = connect(killed.port, "127.0.0.1", () =>
    socket.write(
      "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n" +
        'Content-Length: 4000000\r\n\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' +
        "RIFF".repeat(750_000), // a small file would be in memory
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
});

test("without weights and network it answers with the demo model, and says so everywhere", async () => {
  using folder = temporaryFolder();
  const dataDir = folder.path;
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
});

test.skipIf(Bun.which("curl") === null || Bun.which("bash") === null)(
  "the curl line that it prints works when pasted (needs curl and bash)",
  async () => {
    using folder = temporaryFolder();
    const child = Bun.spawn([process.execPath, "src/main.ts", "serve"], {
      cwd: root,
      env: {
        PATH: Bun.env.PATH,
        HOST: "127.0.0.1",
        PORT: "0",
        WHISPER_MODEL: "demo",
        VAD_MODEL: "off",
        DATA_DIR: folder.path,
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
    }
  },
);
