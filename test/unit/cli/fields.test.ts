import { describe, expect, test } from "bun:test";
import { Command } from "commander";
import { fieldOptions, fieldTexts } from "../../../src/cli/transcription/fields.ts";

/** The fields that a command line says, as a form would carry them. */
function fieldsOf(args: string[]): Record<string, readonly string[]> {
  const command = new Command().exitOverride().configureOutput({ writeErr() {} });
  for (const option of fieldOptions()) command.addOption(option);
  return Object.fromEntries(fieldTexts(command.parse(args, { from: "user" }).opts(), false));
}

describe("the options of transcribe that are fields of the API", () => {
  test("say nothing that was not given", () => {
    expect(fieldsOf([])).toEqual({});
  });

  test("carry the API's names and the texts as they were written", () => {
    const args = ["--beam-size", "2", "--temperature", "0.50", "--vad", "--language", "de"];
    expect(fieldsOf(args)).toEqual({
      beam_size: ["2"],
      temperature: ["0.50"],
      vad: ["true"],
      language: ["de"],
    });
  });

  test("begin with no- where the field's name does", () => {
    expect(fieldsOf(["--no-speech-threshold", "0.5"])).toEqual({ no_speech_threshold: ["0.5"] });
  });

  test("switch off what is on by default", () => {
    expect(fieldsOf(["--timestamps", "false"])).toEqual({ timestamps: ["false"] });
  });

  test("may be given again where the field is a list", () => {
    expect(fieldsOf(["--keywords", "Bun", "--keywords", "Elysia"])).toEqual({ keywords: ["Bun", "Elysia"] });
  });

  test.each([
    [["--temperature", "7"], 'Expected a number from 0 to 1 for temperature but received "7"'],
    [["--beam-size", "1.5"], 'Expected an integer from 1 to 8 for beam_size but received "1.5"'],
    [["--offset-ms", "-1"], "offset_ms"],
    [["--timestamps", "maybe"], "Allowed choices are true, false"],
  ])("refuse %p in the API's words", (args, message) => {
    expect(() => fieldsOf(args)).toThrow(message);
  });

  test("leave out what the command says in another way", () => {
    const names = fieldOptions().map(({ long }) => long);
    expect(names).toContain("--prompt");
    for (const name of ["--stream", "--response-format", "--model", "--vad-filter"])
      expect(names).not.toContain(name);
  });
});
