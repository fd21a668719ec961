/** Help, and the commands that look after the machine. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { stallingMirror } from "../helpers/mirror.ts";
import { CommandLine } from "./cli.ts";
import { root } from "./server.ts";

setDefaultTimeout(60_000);

let cli: CommandLine;

beforeAll(async () => {
  cli = new CommandLine();
});

afterAll(() => cli[Symbol.dispose]());

const sentence = recording("en-sentence.wav");

describe("help", () => {
  test("names every command and every setting, on stdout", async () => {
    const { code, stdout, stderr } = await cli.run(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const word of [
      "transcribe",
      "listen",
      "serve",
      "models",
      "doctor",
      "bench",
      "completions",
      "WHISPER_MODEL",
    ])
      expect(stdout).toContain(word);
  });

  test("of a command has its own options, with the API's descriptions", async () => {
    const { code, stdout } = await cli.run(["transcribe", "--help"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/--beam-size <number>\s+Beams at temperature 0/);
  });

  test.each([
    ["--help"],
    ["transcribe --help"],
    ["serve --help"],
    ["keys create --help"],
    ["completions --help"],
  ])("is broken at words where an ordinary terminal ends: %s", async (line) => {
    const { stdout } = await cli.run(line.split(" "));
    expect(stdout.split("\n").filter((each) => each.length > 80 && !each.includes("https://"))).toEqual([]);
  });

  test("begins each sentence alike, and quotes no default", async () => {
    for (const name of ["listen", "bench", "health"]) {
      const { stdout } = await cli.run([name, "--help"]);
      expect(stdout).toMatch(/-h, --help +Show this\.$/m);
      expect(stdout).toMatch(/default: \w/);
      expect(stdout).not.toMatch(/default: "/);
    }
    expect((await cli.run(["keys", "--help"])).stdout).not.toContain("help [command]");
  });

  test.each([
    [["transcirbe"], "Did you mean transcribe?"],
    [["transcribe", "a.wav", "--lnaguage", "de"], "Did you mean --language?"],
    [["transcribe"], "missing required argument"],
    [["transcribe", "a.wav", "-f", "doc"], "Allowed choices are"],
    [["transcribe", "a.wav", "--temperature", "7"], "Expected a number from 0 to 1 for temperature"],
    [["transcribe", "a.wav", "--host", "ftp://x"], "Expected the address of a server for --host"],
    [["serve", "--port", "many"], 'Expected an integer from 0 to 65535 for PORT but received "many"'],
    [["serve", "--api-key", "k"], "unknown option '--api-key'"],
    [["listen", "--pause", "soon"], "Expected an integer from 0 to 60000 for --pause"],
    [["bench", "--runs", "0"], "Expected an integer from 1 to 1000 for --runs"],
    [["health", "--url", "ftp://x"], "Expected the address of a server for --url"],
    [["health", "--timeout", "0"], "Expected an integer from 1 to 3600 for --timeout"],
  ])("is offered for %p, with exit code 2 and nothing on stdout", async (args, message) => {
    const { code, stdout, stderr } = await cli.run(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test("has a section in the documentation for every command", async () => {
    const { stdout } = await cli.run(["--help"]);
    const [, listed = ""] = /^Commands:\n((?: {2}.*\n)+)/m.exec(stdout) ?? [];
    const names = [...listed.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name);
    const documentation = await Bun.file(join(root, "docs/command-line.md")).text();
    const sections = [...documentation.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(6);
    expect(sections).toEqual(expect.arrayContaining(names));
  });

  test("--version says what the program was built with", async () => {
    const { code, stdout } = await cli.run(["--version"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^whisper-api \d+\.\d+\.\d+\n {2}whisper\.cpp +\d+\.\d+/);
    expect(stdout).toMatch(/^ {2}kernels +\w+$/m);
  });
});

describe("models", () => {
  test("knows those that can be pulled, and nearest names for others", async () => {
    const { stdout } = await cli.run(["models", "list", "--all"]);
    expect(stdout).toMatch(/^large-v3-turbo +1\.6 GB$/m);
    const { code, stderr } = await cli.run(["models", "info", "bas"]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining("base, base.en") });
  });

  test("says why a pull failed, and what is not there to delete", async () => {
    const pulled = await cli.run(["models", "pull", "tiny"]);
    expect(pulled).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("tiny: http://127.0.0.1:1/"),
    });
    expect(await cli.run(["models", "rm", "tiny"])).toMatchObject({
      code: 1,
      stderr: 'No model "tiny" is installed\n',
    });
  });

  test("keeps what has come of a pull that is interrupted", async () => {
    await using mirror = stallingMirror(400_000, 885_098);
    const told = cli.terminal(["models", "pull", "silero-v5.1.2"], { VAD_URL: mirror.url });
    await told.shows((text) => /█░+ 45 % {2}0\.4 of 0\.8 MiB/.test(text));
    told.type("\x03");
    expect(await told.exited).toBe(130);
    expect((await told.text()).replaceAll("\n", " ")).toEndWith(
      "Interrupted. The next pull of silero-v5.1.2 continues where this one was.",
    );
    expect(Bun.file(cli.path("models/ggml-silero-v5.1.2.bin.part")).size).toBe(400_000);
  });

  test.skipIf(vadModel === null)(`pulls, lists, shows and deletes (${needsVadModel})`, async () => {
    const mirror = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response(Bun.file(vadModel ?? "")),
    });
    try {
      const env = { VAD_URL: `http://127.0.0.1:${mirror.port}` };
      const path = cli.path("models/ggml-silero-v6.2.0.bin");
      const pulled = await cli.run(["models", "pull", "silero-v6.2.0"], env);
      expect(pulled).toMatchObject({ code: 0, stdout: `${path}\n` });
      expect(pulled.stderr).toMatch(/^silero-v6\.2\.0 {2}100 % {2}0\.8 of 0\.8 MiB/m);
      expect((await cli.run(["models", "list"], env)).stdout).toBe(
        "silero-v6.2.0      1 MB  voice activity\n",
      );
      expect(
        JSON.parse((await cli.run(["models", "info", "silero-v6.2.0", "--json"], env)).stdout),
      ).toMatchObject({
        installed: true,
        path,
      });
      const again = await cli.run(["models", "pull", "silero-v6.2.0"], env);
      expect(again).toMatchObject({ code: 0, stderr: "silero-v6.2.0 is already here\n" });
      expect((await cli.run(["models", "rm", "silero-v6.2.0"], env)).code).toBe(0);
      expect(await Bun.file(path).exists()).toBe(false);
    } finally {
      await mirror.stop(true);
    }
  });
});

describe("health", () => {
  const answering = (answer: () => Response | Promise<Response>) =>
    Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });

  test.each<[string, () => Response | Promise<Response>, string]>([
    ["another program's page", () => new Response("<html>"), "answers 200, but not as whisper-api does."],
    [
      "another program's error",
      () => new Response("no", { status: 404 }),
      "answers 404, but not as whisper-api does.",
    ],
    ["a full queue", () => Response.json({ status: "overloaded" }, { status: 503 }), "it is overloaded."],
    ["silence", () => new Promise<Response>(() => {}), "does not answer within 1 s."],
  ])("takes %s for a failure, in one sentence, with exit code 1", async (_, answer, sentence) => {
    const other = answering(answer);
    try {
      const { code, stdout, stderr } = await cli.run(["health", "--ready", "--timeout", "1"], {
        PORT: String(other.port),
      });
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toStartWith(`http://127.0.0.1:${other.port} `);
      expect(stderr).toEndWith(`${sentence}\n`);
    } finally {
      await other.stop(true);
    }
  });

  test("asks the server that HOST and PORT are set for", async () => {
    const server = answering(() => Response.json({ status: "ok", version: "1.2.3", model: "base" }));
    try {
      const env = { HOST: "0.0.0.0", PORT: String(server.port) };
      expect(await cli.run(["health"], env)).toEqual({
        code: 0,
        stdout: `http://127.0.0.1:${server.port} runs: whisper-api 1.2.3 with the model base.\n`,
        stderr: "",
      });
    } finally {
      await server.stop(true);
    }
  });
});

describe("doctor", () => {
  test("finds nothing that fails on a machine where these tests run", async () => {
    const { code, stdout, stderr } = await cli.run(["doctor"], { PORT: "0", HOST: "127.0.0.1" });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^ok {4}Addon {6}whisper\.cpp /m);
    expect(stdout).not.toMatch(/^fail/m);
  });

  test("names each thing that has to be mended, with a remedy, and ends with 1", async () => {
    await Bun.write(
      cli.path("broken.bin"),
      (await Bun.file(join(root, "models/demo.bin")).bytes()).slice(0, 5000),
    );
    const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("OK") });
    try {
      const { code, stdout, stderr } = await cli.run(["doctor", "--json"], {
        PORT: String(taken.port),
        HOST: "127.0.0.1",
        WHISPER_MODEL: cli.path("broken.bin"),
      });
      expect({ code, stderr }).toEqual({ code: 1, stderr: "2 things have to be mended.\n" });
      const findings = JSON.parse(stdout) as { level: string; topic: string; remedy?: string }[];
      const failed = findings.filter(({ level }) => level === "fail");
      expect(failed.map(({ topic }) => topic)).toEqual(["Model", "Port"]);
      for (const { remedy } of failed) expect(remedy).toMatch(/^\w.*\.$/);
    } finally {
      await taken.stop(true);
    }
  });

  test("reads settings that make no sense", async () => {
    const { code, stdout } = await cli.run(["doctor"], { PORT: "many" });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^fail {2}Settings {3}Expected an integer from 0 to 65535 for PORT but received "many"\n +-> /,
    );
  });
});

test("bench measures, for people and for programs", async () => {
  const shown = await cli.run(["bench", sentence.path, "-n", "2", "--beam-size", "1"]);
  expect(shown.stderr).toBe("");
  expect(shown.stdout).toMatch(/^real-time factor +0\.\d+ +0\.\d+ +0\.\d+$/m);
  const { stdout } = await cli.run(["bench", "-n", "1", "--beam-size", "1", "--json"]);
  const { audioMs, realTimeFactor, ms } = JSON.parse(stdout);
  expect(audioMs).toBeGreaterThan(59_000);
  expect(realTimeFactor.median).toBeCloseTo(ms.total.median / audioMs, 3);
});

describe("bench", () => {
  test.each([
    ["missing.wav", "missing.wav: There is no such file\n"],
    [join(root, "package.json"), "package.json: Invalid file format."],
  ])("says what is wrong with %p, and which file that is", async (path, message) => {
    const { code, stdout, stderr } = await cli.run(["bench", path]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(message);
  });

  test("leaves nothing on the screen, and no file, when Ctrl-C ends it", async () => {
    using tmp = temporaryFolder();
    const told = cli.terminal(["bench", "-n", "1000"], { TMPDIR: tmp.path });
    await told.shows((text) => /warming up|run \d/.test(text));
    told.type("\x03");
    expect(await told.exited).toBe(130);
    expect(await told.text()).toEndWith("Interrupted");
    expect(await told.text()).not.toMatch(/warming up|run \d/);
    expect(await readdir(tmp.path)).toEqual([]);
  });
});
