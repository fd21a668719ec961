#!/usr/bin/env bun
/** The program's entry: picks the command, and turns failures into a sentence and an exit code. */
import { Command, CommanderError, Help, type Option } from "commander";
import { hanging } from "./cli/columns.ts";
import { type Define, exitCodes, Failure } from "./cli/command.ts";
import { ConfigError } from "./config/load.ts";
import { helpText } from "./config/show.ts";
import { AppError } from "./core/errors.ts";

/** Summary and file of each command, in the order of the help. A file is loaded when its command is meant. */
const commands: Readonly<Record<string, readonly [string, () => Promise<{ readonly define: Define }>]>> = {
  transcribe: ["Transcribe recordings, here or on a server.", () => import("./cli/transcribe.ts")],
  listen: ["Transcribe the microphone, while one speaks.", () => import("./cli/listen.ts")],
  serve: ["Serve the HTTP API (also without any command).", () => import("./cli/serve.ts")],
  keys: ["Create, list and revoke API keys.", () => import("./cli/keys.ts")],
  worker: ["Transcribe tasks that servers have taken; no HTTP.", () => import("./cli/worker.ts")],
  health: ["Ask a running server how it is.", () => import("./cli/health.ts")],
  models: ["List, download and delete models.", () => import("./cli/models.ts")],
  doctor: ["Examine this machine and the settings.", () => import("./cli/doctor.ts")],
  bench: ["Measure how fast this machine transcribes.", () => import("./cli/bench.ts")],
  completions: ["Print a script that completes commands in a shell.", () => import("./cli/completions.ts")],
};

const footer = () => `
Settings (environment):
${helpText().split("\n").map(inColumns).join("\n")}

Exit codes:
  0    done
  ${exitCodes.failed}    something that was asked for could not be done
  ${exitCodes.misuse}    arguments, settings, model or port are unfit: nothing was begun
  ${exitCodes.interrupted}  Ctrl-C`;

function inColumns(line: string): string {
  const [, first = "", second = ""] = /^(\s+\S+\s+)(.*)$/.exec(line) ?? [];
  return hanging(first, second, process.stdout.columns || 80);
}

/** Commander's, without quotes around a default. */
function optionDescription(this: Help, option: Option): string {
  if (typeof option.defaultValue === "string") option.defaultValueDescription ??= option.defaultValue;
  return Help.prototype.optionDescription.call(this, option);
}

const program = new Command("whisper-api")
  .description("OpenAI-compatible speech to text on your own machine")
  .version("", "--version", "Show the version, and what the program was built with.")
  .helpOption("-h, --help", "Show this.")
  .helpCommand(false)
  .configureHelp({ minWidthToWrap: 20, optionDescription })
  .showHelpAfterError("(--help shows what there is)")
  .addHelpText("after", footer)
  .exitOverride();

/** Who reads only the beginning (| head) has not failed. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: Error & { code?: string }) => process.exit(error.code === "EPIPE" ? 0 : 1));
}

await run(process.argv.slice(2)).catch((error) => {
  process.exitCode = tell(error);
});
process.exit();

async function run(args: readonly string[]): Promise<void> {
  const [meant = "serve"] = args;
  if (meant === "--version") {
    const { versionText } = await import("./cli/version.ts");
    console.log(await versionText());
    return;
  }
  for (const [name, [summary, load]] of Object.entries(commands)) {
    const command = program.command(name).description(summary).helpCommand(false);
    if (name === meant || meant === "completions") (await load()).define(command);
  }
  await program.parseAsync(args.length === 0 ? [meant] : args, { from: "user" });
}

/** Says what went wrong, and what to do about it. Returns the exit code. */
function tell(error: unknown): number {
  // it has spoken already
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.misuse;
  const { name, message } = error as Error;
  if (error instanceof Failure) {
    if (message !== "") console.error(message);
    return error.exitCode;
  }
  const isMendable = error instanceof ConfigError || name === "ModelError" || error instanceof AppError;
  if (name === "AddonError")
    console.error(`The addon cannot be loaded (whisper-api doctor says more). ${message}`);
  else console.error(isMendable ? message : error);
  return exitCodes.misuse;
}
