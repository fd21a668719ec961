/** `whisper-api transcribe FILE...`: recordings to text, subtitles or JSON. */
import { basename } from "node:path";
import { Option } from "commander";
import { forPeople } from "../core/file-formats.ts";
import type { ResponseFormat } from "../core/formats.ts";
import type { FieldTexts } from "../http/form.ts";
import { apiKey } from "./api-key.ts";
import { type Define, exitCodes, Failure } from "./command.ts";
import { modelOption } from "./model-option.ts";
import { clock, recordingLine } from "./progress.ts";
import { commandLog, Display, printResult } from "./terminal.ts";
import { fieldOptions, fieldTexts } from "./transcription/fields.ts";
import {
  findInputs,
  formatOf,
  formats,
  makeFolders,
  openInput,
  planOutputs,
  stdin,
  writeWhole,
} from "./transcription/files.ts";
import { openLocal } from "./transcription/local.ts";
import { openRemote, serverAddress } from "./transcription/remote.ts";
import { bodyOf, type Payload, type Transcriber } from "./transcription/transcriber.ts";

export const define: Define = (command) => {
  const defined = command
    .argument("<file...>", "Recordings or videos; patterns in quotes ('talks/*.mp3'); - for stdin.")
    .addOption(
      new Option("-f, --format <format>", "Default: txt, or what --output ends in.").choices(
        Object.keys(formats),
      ),
    )
    .option("-o, --output <path>", "File to write to; for several recordings a folder. Default: stdout.")
    .addOption(modelOption("Default: WHISPER_MODEL, or the server's."))
    .option("--translate", "Into English.")
    .option("--word-times", "The time of each word, in verbose_json.")
    .option("-q, --quiet", "Nothing but errors on stderr.")
    .option("--host <url>", "Ask a server in place of computing here: http://localhost:8000")
    .option(
      "--api-key <key>",
      "For the server. Default: API_KEY, which others cannot see in the list of processes.",
    );
  for (const option of fieldOptions()) defined.addOption(option);
  defined.action(transcribe);
};

interface Given {
  readonly format?: string | undefined;
  readonly output?: string | undefined;
  readonly model?: string | undefined;
  readonly translate?: boolean | undefined;
  readonly wordTimes?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly host?: string | undefined;
  readonly apiKey?: string | undefined;
}

interface Work {
  readonly transcriber: Transcriber;
  readonly display: Display;
  readonly format: ResponseFormat;
  readonly fields: FieldTexts;
  readonly isTranslation: boolean;
  /** Whether what a recording says stands under its name. */
  readonly isHeaded: boolean;
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/** One recording after the other. Those that fail are told, and the rest goes on; then throws Failure. */
async function transcribe(given: readonly string[], options: Given): Promise<void> {
  const format = formatFor(options);
  const isTranslation = options.translate === true;
  const fields = new Map(fieldTexts({ ...options }, isTranslation));
  fields.set("response_format", [format]);
  if (options.wordTimes) fields.set("timestamp_granularities", ["word", "segment"]);
  const server = options.host === undefined ? null : serverAddress(options.host, apiKey(options.apiKey));
  if (server && options.model !== undefined) fields.set("model", [options.model]);
  const inputs = await findInputs(given);
  const outputs = await planOutputs(inputs, options.output, format);
  const isSubtitle = format === "srt" || format === "vtt";
  if (isSubtitle && inputs.length > 1 && outputs.includes(null)) {
    throw new Failure(
      `Expected a folder for --output: one ${format} file cannot hold several recordings`,
      exitCodes.misuse,
    );
  }
  await makeFolders(outputs.filter((output) => output !== null));

  const interrupted = new AbortController();
  process.once("SIGINT", () => {
    interrupted.abort();
    process.once("SIGINT", () => process.exit(exitCodes.interrupted));
  });
  const { signal } = interrupted;
  const quiet = options.quiet === true;
  let failed = 0;
  using display = new Display();
  const opening = server
    ? openRemote(server)
    : openLocal({ model: options.model, display: quiet ? null : display }, fields, isTranslation);
  await using transcriber = await unlessInterrupted(opening, signal);
  const isHeaded = inputs.length > 1 && !quiet;
  const work = { transcriber, display, format, fields, isTranslation, isHeaded, quiet, signal };
  for (const [index, input] of inputs.entries()) {
    try {
      await one(input, outputs[index] ?? null, work);
    } catch (error) {
      if (signal.aborted) throw new Failure("Interrupted", exitCodes.interrupted);
      failed += 1;
      display.endText();
      display.say(`${nameOf(input)}: ${sentence(error)}`);
    }
  }
  if (failed > 0 && inputs.length > 1) throw new Failure(`${failed} of ${inputs.length} recordings failed`);
  if (failed > 0) throw new Failure("");
}

/** -f, or the ending of -o, or what has room for what is asked for. */
function formatFor({ format, output, wordTimes }: Given): ResponseFormat {
  const ending = formatOf(output);
  const implied =
    wordTimes && (ending === undefined || ending === "json") ? "verbose_json" : (ending ?? "text");
  const chosen = format === undefined ? implied : (formats[format] ?? "text");
  if (wordTimes && chosen !== "verbose_json") {
    throw new Failure(
      `Expected -f verbose_json with --word-times but received ${format ?? chosen}`,
      exitCodes.misuse,
    );
  }
  return chosen;
}

const nameOf = (input: string) => (input === stdin ? "stdin" : input);

async function one(input: string, output: string | null, work: Work): Promise<void> {
  const { transcriber, display, format, fields, isTranslation, signal } = work;
  const name = nameOf(input);
  const startedMs = performance.now();
  const elapsedS = () => (performance.now() - startedMs) / 1000;
  let done = 0;
  let total = 0;
  if (!work.quiet) display.show(() => recordingLine(basename(name), done, total, elapsedS()));
  const isShown = output === null && display.showsText && !format.endsWith("json");
  await using file = await openInput(input, signal);
  const seen: Payload[] = [];
  let shown = "";
  let isHeaded = !work.isHeaded;
  /** Once, before the first text: a recording that cannot be read has none. */
  const head = () => {
    if (!isHeaded) display.say(`${name}:`);
    isHeaded = true;
  };
  const payloads = transcriber.transcribe({
    path: file.path,
    name,
    isTranslation,
    fields,
    shown: isShown,
    signal,
  });
  for await (const payload of payloads) {
    if (payload.type === "transcript.progress") {
      [done, total] = [Number(payload.done), Number(payload.total)];
    } else if (payload.type === "transcript.text.delta") {
      shown += payload.delta;
      if (!isShown) continue;
      head();
      display.write(String(payload.delta));
    } else {
      seen.push(payload);
    }
  }
  const body = bodyOf(seen, format);
  display.show(() => "");
  if (output !== null) {
    await writeWhole(output, body);
    if (!work.quiet) display.say(`${name} -> ${output}${pace(total, elapsedS())}`);
  } else if (isShown) {
    head();
    display.endText();
    if (shown.trim() !== body.trim()) {
      display.say("Corrected:");
      display.write(body);
    }
  } else {
    head();
    display.clear();
    await printResult(body.endsWith("\n") ? body : `${body}\n`);
  }
}

/** How much that was, and how fast. */
const pace = (totalS: number, elapsedS: number) =>
  totalS > 0 ? `  (${clock(totalS)} in ${clock(elapsedS)}, ${(totalS / elapsedS).toFixed(1)}x)` : "";

/** What cannot be stopped, a download that will be continued, is left behind. */
async function unlessInterrupted<T>(work: T | Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(new Failure("Interrupted", exitCodes.interrupted)), {
    once: true,
  });
  return Promise.race([work, promise]);
}

/** Failures are sentences; of others the log says more. */
function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name !== "AppError" && error.name !== "Failure" && !("code" in error))
    commandLog.error(error.stack ?? "");
  return forPeople(error.message);
}
