/** Which recordings are meant, and where what they say goes. */
import { randomUUID } from "node:crypto";
import { access, constants, mkdir, open, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, parse, resolve } from "node:path";
import type { ResponseFormat } from "../../core/formats.ts";
import { exitCodes, Failure } from "../command.ts";
import { temporaryPath } from "../temporary.ts";

/** By what -f takes, and by the ending of a file that is written to. */
export const formats: Readonly<Record<string, ResponseFormat>> = {
  txt: "text",
  text: "text",
  srt: "srt",
  vtt: "vtt",
  json: "json",
  verbose_json: "verbose_json",
  diarized_json: "diarized_json",
};

export const stdin = "-";

/** Paths; of patterns that the shell has not resolved (`'talks/*.mp3'`) what they match. Throws Failure for one without a match. */
export async function findInputs(given: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of given) {
    if (path === stdin || !/[*?[{]/.test(path) || (await exists(path))) {
      found.push(path);
      continue;
    }
    const matches = await Array.fromAsync(new Bun.Glob(path).scan({ onlyFiles: true }));
    if (matches.length === 0) throw new Failure(`Nothing matches ${path}`, exitCodes.misuse);
    found.push(...matches.sort());
  }
  if (found.indexOf(stdin) < found.lastIndexOf(stdin)) {
    throw new Failure("Expected - (stdin) once", exitCodes.misuse);
  }
  return [...new Set(found)];
}

const exists = async (path: string) => (await stat(path).catch(() => null)) !== null;
const isFolder = async (path: string) => (await stat(path).catch(() => null))?.isDirectory() === true;

/**
 * Where each input's result goes; null: to stdout. `output` is a file for one input, a folder for several, or when it is one or
 * ends with a slash. Throws Failure when two would write the same file, or one its own recording.
 */
export async function planOutputs(
  inputs: readonly string[],
  output: string | undefined,
  format: ResponseFormat,
): Promise<(string | null)[]> {
  if (output === undefined || output === "-") return inputs.map(() => null);
  const isFile = inputs.length === 1 && !/[/\\]$/.test(output) && !(await isFolder(output));
  const paths = isFile ? [output] : outputNames(inputs, format).map((name) => join(output, name));
  if (!isFile && (await exists(output)) && !(await isFolder(output))) {
    throw new Failure(
      `Expected a folder for --output with several recordings but ${output} is a file`,
      exitCodes.misuse,
    );
  }
  const own = paths.find((path) => inputs.some((input) => resolve(input) === resolve(path)));
  if (own !== undefined)
    throw new Failure(`${own} is a recording: it would be overwritten`, exitCodes.misuse);
  const twice = paths.find((path, index) => paths.indexOf(path) < index);
  if (twice !== undefined) throw new Failure(`Two recordings would be written to ${twice}`, exitCodes.misuse);
  return paths;
}

/** talk.mp3 -> talk.srt; where that is not unique talk.mp3.srt. */
function outputNames(inputs: readonly string[], format: ResponseFormat): string[] {
  const ending = format === "text" ? "txt" : format.endsWith("json") ? "json" : format;
  const stems = inputs.map((path) => (path === stdin ? "stdin" : parse(path).name));
  return inputs.map((path, index) => {
    const stem = stems[index] ?? "";
    const isUnique = stems.filter((other) => other === stem).length === 1;
    return `${isUnique ? stem : basename(path)}.${ending}`;
  });
}

/** Makes the folders of what will be written. Throws Failure for one that cannot be had: better now than after an hour of work. */
export async function makeFolders(outputs: readonly string[]): Promise<void> {
  for (const output of outputs) {
    const { path, isFile } = await place(output);
    if (!isFile) continue;
    try {
      await mkdir(dirname(path), { recursive: true });
      await access(dirname(path), constants.W_OK);
    } catch (error) {
      throw new Failure(cannotWrite(output, error), exitCodes.misuse);
    }
  }
}

/** A link stays a link, and a device or a pipe is no file to be replaced. */
async function place(output: string): Promise<{ path: string; isFile: boolean }> {
  const path = await realpath(output).catch(() => output);
  const found = await stat(path).catch(() => null);
  return { path, isFile: found === null || found.isFile() };
}

/** Of a system's "ENOSPC: no space left on device, write" what a person needs. */
function cannotWrite(path: string, error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const isNoFolder = code === "EEXIST" || code === "ENOTDIR";
  const reason = message.replace(/^E[A-Z]+: /, "").replace(/, \w+( '.*)?$/, "");
  return `${path} cannot be written: ${isNoFolder ? "its folder is a file" : reason}`;
}

/** The format that a file's ending asks for, if it is one. */
export function formatOf(output: string | undefined): ResponseFormat | undefined {
  return formats[
    extname(output ?? "")
      .slice(1)
      .toLowerCase()
  ];
}

/** Writes a file as a whole or not at all: whoever reads it never sees half of it. Makes its folder. Throws Failure. */
export async function writeWhole(output: string, body: string): Promise<void> {
  try {
    const { path, isFile } = await place(output);
    if (isFile) await replace(path, body);
    else await writeFile(path, body);
  } catch (error) {
    throw new Failure(cannotWrite(output, error));
  }
}

async function replace(path: string, body: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.part`);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(body);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** A recording as a file that can be read, whatever it was. */
export interface ReadableInput extends AsyncDisposable {
  readonly path: string;
}

/** Throws Failure when it cannot be read. What comes by stdin is kept in a temporary file until disposal. */
export async function openInput(path: string, signal: AbortSignal): Promise<ReadableInput> {
  if (path !== stdin) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error) {
      throw new Failure(found.code === "ENOENT" ? "There is no such file" : found.message);
    }
    if (found.isDirectory()) throw new Failure("Expected a file but this is a folder");
    return { path, async [Symbol.asyncDispose]() {} };
  }
  const copy = temporaryPath("stdin");
  try {
    const file = await open(copy.path, "wx", 0o600);
    const reader = Bun.stdin.stream().getReader();
    const onAbort = () => void reader.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        await file.writeFile(read.value);
      }
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", onAbort);
      await file.close();
    }
  } catch (error) {
    copy[Symbol.dispose]();
    throw error;
  }
  return { path: copy.path, [Symbol.asyncDispose]: async () => copy[Symbol.dispose]() };
}
