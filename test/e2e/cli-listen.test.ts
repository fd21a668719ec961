/** `whisper-api listen`, fed with recordings in place of a microphone. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import { CommandLine } from "./cli.ts";
import { type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

const key = "cli-test-key";
let cli: CommandLine;
let server: Server;

const atServer = () => ["--host", server.url, "--api-key", key];

beforeAll(async () => {
  cli = new CommandLine();
  server = await startServer({ env: { API_KEY: key } });
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  cli[Symbol.dispose]();
});

describe.skipIf(Bun.which("ffmpeg") === null)("listen (needs ffmpeg)", () => {
  const { path, segments } = recording("en-segments.mp3");
  const lines = `${segments.map(({ text }) => text.trim()).join("\n")}\n`;

  test.skipIf(vadModel === null)(
    `writes a line for each turn, here and on a server (${needsVadModel})`,
    async () => {
      const args = ["listen", "--input", path, "--language", "en"];
      const told = await Promise.all([cli.run(args), cli.run([...args, ...atServer()])]);
      for (const each of told) expect(each).toEqual({ code: 0, stdout: lines, stderr: "" });
    },
  );

  test("shows text in a terminal while it is spoken, and at Ctrl-C what was said until then", async () => {
    const told = cli.terminal(["listen", "--input", path, "--delay", "minimal"]);
    await told.shows((text) => /^Good\b.*\n● 0:0\d {2}Ctrl-C ends$/m.test(text));
    told.type("\x03");
    expect(await told.exited).toBe(0);
    expect(await told.text()).toMatch(/^(Warning: .*\n(?:.+\n)*?)?Good\b/);
  });

  test.each([
    [["--input", "missing.wav"], 1, "ffmpeg could not record: "],
    [["--input", path, "--language", "xx"], 2, "Expected a language that the model knows"],
    [["--input", path, "--host", "127.0.0.1:1"], 1, "http://127.0.0.1:1 cannot be reached"],
  ])("says what is wrong with %p", async (args, code, message) => {
    const told = await cli.run(["listen", ...args]);
    expect({ code: told.code, stdout: told.stdout }).toEqual({ code, stdout: "" });
    expect(told.stderr).toContain(message);
    expect(told.stderr).not.toMatch(/^\s+at /m);
  });

  test("says that a key is wrong", async () => {
    const told = await cli.run(["listen", "--input", path, "--host", server.url, "--api-key", "wrong"]);
    expect(told.code).not.toBe(0);
    expect(told.stderr).toMatch(/key/i);
    expect(told.stderr).not.toMatch(/^\s+at /m);
  });
});

test("listen says what to install where nothing can record", async () => {
  const told = await cli.run(["listen"], { PATH: cli.folder });
  expect({ code: told.code, stdout: told.stdout }).toEqual({ code: 2, stdout: "" });
  expect(told.stderr).toMatch(/^Nothing here can record: install /);
});
