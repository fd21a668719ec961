/** `whisper-api transcribe`, in pipes and in a terminal, here and against a real server. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, readdir } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { demoModel, recording } from "../fixtures/index.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { stallingMirror } from "../helpers/mirror.ts";
import { CommandLine, main } from "./cli.ts";
import { idle, running } from "./requests.ts";
import { root, type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

const sentence = recording("en-sentence.wav");
const long = recording("en-long-95s.mp3");

const key = "cli-test-key";
let cli: CommandLine;
let server: Server;

const atServer = () => ["--host", server.url, "--api-key", key];
/** Ten minutes: nobody is done with it before an interruption comes. */
const longer = () => cli.path("longer.mp3");

beforeAll(async () => {
  cli = new CommandLine();
  const bytes = await Bun.file(long.path).bytes();
  await Bun.write(longer(), new Blob(Array.from({ length: 8 }, () => bytes)));
  server = await startServer({ env: { API_KEY: key } });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  cli[Symbol.dispose]();
});

describe("transcribe", () => {
  test("writes the text to stdout, and nothing else anywhere", async () => {
    expect(await cli.run(["transcribe", sentence.path])).toEqual({
      code: 0,
      stdout: `${sentence.text}\n`,
      stderr: "",
    });
  });

  test.each([
    ["txt", []],
    ["srt", []],
    ["vtt", []],
    ["json", ["--include", "logprobs"]],
    ["verbose_json", ["--word-times"]],
    ["verbose_json", []],
    ["diarized_json", ["--known-speaker-names", "Anna"]],
  ])("as %s %p is what the server answers, computed here or there", async (format, options) => {
    const { path } = recording("en-two-speakers.wav");
    const args = ["transcribe", path, "-f", format, "--language", "en", ...options];
    const [here, there] = await Promise.all([cli.run(args), cli.run([...args, ...atServer()])]);
    const form = new FormData();
    form.append("file", Bun.file(path));
    form.append("language", "en");
    form.append("response_format", format === "txt" ? "text" : format);
    if (options.includes("logprobs")) form.append("include[]", "logprobs");
    if (options.includes("Anna")) form.append("known_speaker_names[]", "Anna");
    if (options.includes("--word-times"))
      for (const each of ["word", "segment"]) form.append("timestamp_granularities[]", each);
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: form,
    });
    const body = await response.text();
    expect(response.status).toBe(200);
    const parsed = (text: string) => (format.endsWith("json") ? JSON.parse(text) : text);
    expect(parsed(here.stdout)).toEqual(parsed(body));
    expect(parsed(there.stdout)).toEqual(parsed(body));
    expect(Object.keys(parsed(here.stdout))).toEqual(Object.keys(parsed(body)));
  });

  test("translates, here and on a server", async () => {
    const { path, english } = recording("de-digits.wav");
    const args = ["transcribe", path, "--translate"];
    const told = await Promise.all([cli.run(args), cli.run([...args, ...atServer()])]);
    expect(told.map(({ stdout }) => stdout)).toEqual([`${english}\n`, `${english}\n`]);
  });

  test("goes on after a file that cannot be read, and ends with 1", async () => {
    const { code, stdout, stderr } = await cli.run([
      "transcribe",
      "missing.wav",
      join(root, "package.json"),
      sentence.path,
      "-q",
    ]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: `${sentence.text}\n` });
    expect(stderr).toContain("missing.wav: There is no such file\n");
    expect(stderr).toMatch(/package\.json: Invalid file format\. The file is not /);
    expect(stderr).toEndWith("2 of 3 recordings failed\n");
  });

  test("puts the name above what a recording of several says, and not above what is wrong with it", async () => {
    const { stdout, stderr } = await cli.run(["transcribe", "missing.wav", sentence.path]);
    expect(stdout).toBe(`${sentence.text}\n`);
    expect(stderr).toBe(`missing.wav: There is no such file\n${sentence.path}:\n1 of 2 recordings failed\n`);
  });

  test("refuses what no recording could be transcribed with once, before all of them", async () => {
    const { code, stdout, stderr } = await cli.run([
      ...["transcribe", sentence.path, long.path, "--language", "klingon"],
    ]);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: "",
      stderr: 'Expected an ISO 639-1 code for language but received "klingon"\n',
    });
  });

  test("refuses a file that could not be written before it does the work", async () => {
    await Bun.write(cli.path("taken"), "a file");
    expect(await cli.run(["transcribe", sentence.path, "-o", "taken/x.srt"])).toEqual({
      code: 2,
      stdout: "",
      stderr: "taken/x.srt cannot be written: its folder is a file\n",
    });
  });

  test.skipIf(process.platform !== "linux")("says what could not be written, and why", async () => {
    expect(await cli.run(["transcribe", sentence.path, "-o", "/dev/full"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(": /dev/full cannot be written: no space left on device\n"),
    });
  });

  test.each(["SIGTERM", "SIGHUP"] as const)("keeps no copy of stdin when %s ends it", async (signal) => {
    using tmp = temporaryFolder();
    const child = Bun.spawn([...main, "transcribe", "-"], {
      cwd: cli.folder,
      env: cli.env({ TMPDIR: tmp.path }),
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
    });
    child.stdin.write("the beginning of a recording");
    await child.stdin.flush();
    const begun = () => readdir(tmp.path).then((names) => names.some((name) => name.includes("stdin")));
    while (!(await begun())) await Bun.sleep(10);
    child.kill(signal);
    expect(await child.exited).toBe(128 + constants.signals[signal]);
    expect(await readdir(tmp.path)).toEqual([]);
  });

  test("finds what a quoted pattern means, and writes a file for each into a cli.folder", async () => {
    const pattern = `${root}/test/fixtures/{de,fr}-digits.wav`;
    const { code, stdout, stderr } = await cli.run(["transcribe", pattern, "-f", "srt", "-o", "subtitles/"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect((await readdir(cli.path("subtitles"))).sort()).toEqual(["de-digits.srt", "fr-digits.srt"]);
    expect(await Bun.file(cli.path("subtitles/de-digits.srt")).text()).toMatch(/^1\n00:00:0.* --> /);
    expect(stderr).toMatch(/de-digits\.wav -> subtitles\/de-digits\.srt {2}\(0:0\d in \d:\d\d, [\d.]+x\)/);
  });

  test("reads a recording from stdin, here and for a server, and keeps no copy", async () => {
    const args = ["transcribe", "-"];
    const env = { TMPDIR: cli.path("tmp") };
    await mkdir(env.TMPDIR);
    const told = [
      await cli.run(args, env, Bun.file(sentence.path)),
      await cli.run([...args, ...atServer()], env, Bun.file(sentence.path)),
    ];
    for (const { code, stdout } of told)
      expect({ code, stdout }).toEqual({ code: 0, stdout: `${sentence.text}\n` });
    expect(await readdir(env.TMPDIR)).toEqual([]);
  });

  test("takes the format from the ending of --output", async () => {
    expect((await cli.run(["transcribe", sentence.path, "-o", "one.vtt"])).code).toBe(0);
    expect(await Bun.file(cli.path("one.vtt")).text()).toStartWith("WEBVTT\n\n");
  });

  test("is no failure for a reader that has had enough", async () => {
    const line = `"$@" transcribe "${long.path}" -f verbose_json | head -c 1; echo " \${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["bash", "-c", line, "bash", ...main], {
      env: cli.env(),
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await new Response(child.stdout).text()).toBe("{ 0\n");
    expect(await new Response(child.stderr).text()).toBe("");
  });

  test("does not take the bundled model for the one that was asked for", async () => {
    const { code, stdout, stderr } = await cli.run(["transcribe", sentence.path, "-m", "tiny"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^The model tiny is not here and could not be downloaded \(.+\)\. --model demo/);
  });

  test.each([
    ["nix", 'Expected a known model or a path for --model but received "nix".'],
    ["torn.bin", "The model of --model cannot be used. The model file is incomplete"],
  ])("says of the model %p what is wrong with it, and which option named it", async (name, message) => {
    await Bun.write(cli.path("torn.bin"), (await Bun.file(demoModel).bytes()).slice(0, 5000));
    const { code, stdout, stderr } = await cli.run(["transcribe", sentence.path, "-m", name]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toStartWith(message);
  });

  test.each([
    [() => ["--host", server.url, "--api-key", "wrong"], "Give a key with --api-key, or in API_KEY."],
    [() => ["--host", "127.0.0.1:1"], "http://127.0.0.1:1 cannot be reached: "],
    [() => [...atServer(), "-m", "nix"], "The model 'nix' does not exist"],
  ])("says what is wrong with a server (%#)", async (options, message) => {
    const { code, stdout, stderr } = await cli.run(["transcribe", sentence.path, ...options()]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(message);
  });

  test("takes the key from API_KEY", async () => {
    const told = await cli.run(["transcribe", sentence.path, "--host", `${server.url}/v1/`], {
      API_KEY: key,
    });
    expect(told).toEqual({ code: 0, stdout: `${sentence.text}\n`, stderr: "" });
  });
});

describe("transcribe in a terminal", () => {
  test("shows the text, and a bar with audio done, speed and remaining time while it works", async () => {
    const told = cli.terminal(["transcribe", long.path]);
    const working = await told.shows((text) =>
      /█░+ \d+ % {2}0:\d\d of 1:35 {2}[\d.]+x {2}\d:\d\d left$/.test(text),
    );
    expect(working.split("\n").length).toBeGreaterThan(1);
    expect(await told.exited).toBe(0);
    const text = await told.text();
    expect(text.replaceAll("\n", " ")).toBe(long.text);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThan(80);
    // the cursor is there again
    expect(told.written.lastIndexOf("\x1b[?25h")).toBeGreaterThan(told.written.lastIndexOf("\x1b[?25l"));
  });

  test("has colours unless NO_COLOR is set", async () => {
    const colour = new RegExp(`${String.fromCharCode(27)}\\[3\\dm`);
    const coloured = cli.terminal(["transcribe", long.path]);
    const plain = cli.terminal(["transcribe", long.path], { NO_COLOR: "1" });
    expect(await Promise.all([coloured.exited, plain.exited])).toEqual([0, 0]);
    expect(coloured.written).toMatch(colour);
    expect(plain.written).toContain("█");
    expect(plain.written).not.toMatch(colour);
  });

  test.each([["transcribe"], ["bench"], ["listen --input"]])(
    "%s has one line that changes while a model is downloaded, and none of it stays",
    async (command) => {
      using folder = temporaryFolder();
      await using mirror = stallingMirror(8_000_000, 77_691_713);
      const args = [...command.split(" "), sentence.path, "-m", "tiny"];
      const told = cli.terminal(args, { MODELS_URL: mirror.url, MODELS_DIR: folder.path });
      await told.shows((text) => /^tiny {2}█+░+ 10 % {2}7\.6 of 74\.1 MiB/.test(text));
      told.type("\x03");
      expect(await told.exited).toBe(130);
      expect(await told.text()).not.toMatch(/tiny|loading/);
    },
  );

  test.each([
    ["here", () => []],
    ["on a server", atServer],
  ])("ends at Ctrl-C with 130 and without a half-written file: %s", async (_, options) => {
    using folder = temporaryFolder();
    const told = cli.terminal([
      "transcribe",
      long.path,
      "--beam-size",
      "8",
      "-o",
      join(folder.path, "x.srt"),
      ...options(),
    ]);
    await told.shows((text) => /%/.test(text));
    told.type("\x03");
    expect(await told.exited).toBe(130);
    expect(await told.text()).toContain("Interrupted");
    expect(await readdir(folder.path)).toEqual([]);
    await idle(server);
  });
});

test("a server that was asked stops when the asking ends", async () => {
  const child = Bun.spawn([...main, "transcribe", longer(), ...atServer()], {
    env: cli.env(),
    stdout: "ignore",
    stderr: "ignore",
  });
  await running(server);
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  await idle(server);
});
