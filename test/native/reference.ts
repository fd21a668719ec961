/** whisper.cpp as it is (test/native/programs/reference.cc), to compare with: built when it is first asked for. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { RunOptions } from "../../src/native.ts";
import { demoModel } from "../fixtures/index.ts";
import { told } from "../helpers/child.ts";

const root = join(import.meta.dir, "../..");
const answers = join(root, "build/reference");
/** What an answer depends on beside the weights and the recording. */
const sources = [
  "node_modules/nodejs-whisper/cpp/whisper.cpp/src/whisper.cpp",
  "test/native/programs/reference.cc",
  "native/whisper/speech.cc",
  "native/whisper/silero.cc",
].map((path) => join(root, path));

/** `vad` "whisper.cpp": its own; true: it hears what our voice activity detection leaves. */
export interface ReferenceOptions extends Omit<RunOptions, "vad"> {
  readonly vad: boolean | "whisper.cpp";
  readonly flashAttention: boolean;
}

export interface Job {
  readonly path: string;
  readonly options: ReferenceOptions;
}

export interface ReferenceSegment {
  /** Of the recording. */
  readonly startMs: number;
  readonly endMs: number;
  readonly noSpeechProb: number;
  readonly text: string;
  /** whisper.cpp's id, plog and ptsum. */
  readonly tokens: readonly (readonly [id: number, plog: number, ptsum: number])[];
}

export interface ReferenceResult {
  readonly language: string;
  /** Attempts that failed, by what they failed. */
  readonly fallbacks: { readonly probability: number; readonly entropy: number };
  readonly segments: readonly ReferenceSegment[];
}

async function output(command: readonly string[], input = ""): Promise<string> {
  const child = Bun.spawn([...command], {
    cwd: root,
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const { code, stdout, stderr } = await told(child);
  if (code !== 0)
    throw new Error(`${command.join(" ")} ended with ${code}:\n${stdout.slice(-4000)}${stderr}`);
  return stdout;
}

/** Compiles a program of test/native/programs/ with what the addon's build has left in build/; gives its path. */
export async function program(name: string): Promise<string> {
  await output(["cmake", "--build", "build", "--target", name]);
  return join(root, "build/Release", name);
}

/**
 * What whisper_full makes of each job: a process per core, with one thread each. An answer depends on whisper.cpp, the
 * weights, the recording and the options (and where it hears what we call speech, on that), so it is kept in build/.
 */
export async function reference(jobs: readonly Job[], model = demoModel): Promise<ReferenceResult[]> {
  const path = await program("reference");
  const common = (await Promise.all([...sources, model].map(digestOf))).join();
  await mkdir(answers, { recursive: true });
  const files = await Promise.all(
    jobs.map(async (job) => {
      const key = common + (await digestOf(job.path)) + lineOf({ ...job, path: "" });
      return join(answers, `${Bun.hash.xxHash64(key).toString(16)}.json`);
    }),
  );
  const missing = [...new Set(files.filter((file) => !existsSync(file)))];
  const processes = Math.min(missing.length, navigator.hardwareConcurrency);
  await Promise.all(
    Array.from({ length: processes }, async (_, share) => {
      const mine = missing.filter((_, index) => index % processes === share);
      const lines = mine.map((file) => jobs[files.indexOf(file)]).map((job) => (job ? lineOf(job) : ""));
      const said = (await output([path, model], lines.join(""))).trim().split("\n");
      await Promise.all(mine.map((file, index) => Bun.write(file, said[index] ?? "")));
    }),
  );
  return Promise.all(files.map((file) => Bun.file(file).json() as Promise<ReferenceResult>));
}

const digestOf = async (path: string) => Bun.hash.xxHash64(await Bun.file(path).bytes()).toString(16);

const lineOf = ({ path, options }: Job): string =>
  `${Object.entries({ ...options, path })
    .map(([key, value]) => `${key}=${value}`)
    .join("\t")}\n`;

/**
 * `options` as whisper.cpp has to be given them to do the same: it puts no space before a prompt, OpenAI and we do. It
 * computes token times after everything else; what it says is the same without.
 */
export const asReference = (options: RunOptions): ReferenceOptions => ({
  ...options,
  wordTimes: false,
  prompt: options.prompt === "" ? "" : ` ${options.prompt}`,
  flashAttention: false,
});
