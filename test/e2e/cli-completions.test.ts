/** The scripts that complete our commands, in real shells. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { inTerminal } from "../helpers/terminal.ts";
import { CommandLine } from "./cli.ts";

setDefaultTimeout(60_000);

let cli: CommandLine;

beforeAll(async () => {
  cli = new CommandLine();
});

afterAll(() => cli[Symbol.dispose]());

describe("completions", () => {
  const cases: [string, string, string[]][] = [
    ["commands", "whisper-api tr", ["transcribe"]],
    ["commands of commands", "whisper-api models pu", ["pull"]],
    ["options", "whisper-api transcribe --lang", ["--language", "--languages"]],
    ["values", "whisper-api transcribe x.mp3 -f v", ["verbose_json", "vtt"]],
    [
      "models",
      "whisper-api models pull large-v3-t",
      ["large-v3-turbo", "large-v3-turbo-q5_0", "large-v3-turbo-q8_0"],
    ],
    ["recordings", "whisper-api transcribe only-th", ["only-this-one.mp3"]],
    ["no recordings where none are taken", "whisper-api models list only-th", []],
  ];

  beforeAll(async () => {
    await Bun.write(cli.path("only-this-one.mp3"), "");
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, stdout } = await cli.run(["completions", shell]);
      expect(code).toBe(0);
      await Bun.write(cli.path(`completions.${shell}`), stdout);
    }
  });

  test("are for shells that are known", async () => {
    expect(await cli.run(["completions", "tcsh"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("Allowed choices are bash, zsh, fish"),
    });
  });

  test.each(cases.filter(([name]) => !name.startsWith("no ")))(
    "in bash know %s",
    async (_, typed, expected) => {
      // twice, as a shell does that is started in a shell
      const script = `source completions.bash && source completions.bash
        COMP_WORDS=(${typed}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _whisper_api
        if ((\${#COMPREPLY[@]})); then printf '%s\\n' "\${COMPREPLY[@]}"; else compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"; fi | sort`;
      expect(await shell(["bash", "--norc", "-c", script])).toEqual(expected);
    },
  );

  test.skipIf(Bun.which("fish") === null).each(cases)(
    "in fish know %s (needs fish)",
    async (_, typed, expected) => {
      const told = await shell([
        "fish",
        "--no-config",
        "-c",
        `source completions.fish; complete -C '${typed}'`,
      ]);
      expect(told.map((line) => line.split("\t")[0] ?? "").sort()).toEqual(expected);
    },
  );

  test.skipIf(Bun.which("zsh") === null).each(cases)(
    "in zsh know %s (needs zsh)",
    async (_, typed, expected) => {
      const zsh = inTerminal(["zsh", "-f", "-i"], {
        cwd: cli.folder,
        env: cli.env({ PS1: "> " }),
        columns: 200,
      });
      try {
        await zsh.shows((text) => text.endsWith(">"));
        zsh.type(
          "autoload -U compinit; compinit -u -D; source completions.zsh; setopt auto_list list_rows_first; echo rea''dy\n",
        );
        await zsh.shows((text) => /^ready$/m.test(text));
        // one key types what is common, the second shows the list
        zsh.type(`${typed}${expected.length > 1 ? "\t\t" : "\t"}`);
        // behind what was completed: the mark of the end
        if (expected.length <= 1) zsh.type("end");
        const [only = "only-th"] = expected;
        await zsh.shows((text) =>
          expected.length > 1
            ? expected.every((word) => new RegExp(`(^|\\s)${word}(\\s|$)`, "m").test(text))
            : new RegExp(`${only} ?end`).test(text),
        );
        expect(await zsh.text()).not.toContain("_arguments");
      } finally {
        await zsh.kill();
      }
    },
  );
});

/** The lines that a shell prints, without empty ones. */
async function shell(command: string[]): Promise<string[]> {
  const child = Bun.spawn(command, {
    cwd: cli.folder,
    env: cli.env(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = (await new Response(child.stdout).text()).split("\n");
  await child.exited;
  return lines.filter((line) => line !== "");
}
