/** `whisper-api models`: the weights that are here, and those that can be had. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Argument } from "commander";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/settings.ts";
import { speechModels, vadModels, type Weights } from "../models/catalog.ts";
import { download, sizeOf } from "../models/download.ts";
import { find as findWeights } from "../models/ensure.ts";
import { type Define, exitCodes, Failure, suggest } from "./command.ts";
import { downloadProgress } from "./progress.ts";
import { printResult, say } from "./terminal.ts";

export const define: Define = (command) => {
  command
    .command("list")
    .description("List the installed models, and with --all those that can be pulled.")
    .option("-a, --all", "The whole catalogue.")
    .option("--json", "As JSON, for programs.")
    .action(list);
  command
    .command("pull")
    .description("Download models: checked, and continued where a download broke off.")
    .addArgument(catalogued("<name...>", "Names in the catalogue: base, large-v3-turbo-q5_0, silero-v6.2.0."))
    .action(pull);
  command
    .command("rm")
    .description("Delete models from the disk.")
    .addArgument(catalogued("<name...>", "Names, as `models list` shows them."))
    .action(remove);
  command
    .command("info")
    .description("What is known of a model.")
    .addArgument(catalogued("<name>", "A name in the catalogue."))
    .option("--json", "As JSON, for programs.")
    .action(info);
};

const catalogued = (name: string, description: string) =>
  suggest(
    new Argument(name, description),
    [...speechModels, ...vadModels].map((weights) => weights.name),
  );

interface Row {
  readonly name: string;
  readonly kind: "speech" | "vad" | "own";
  readonly bytes: number;
  readonly installed: boolean;
  readonly path: string;
}

/** Comes with the program, where MODELS_DIR is not set; nobody's to delete. */
const bundled = "demo.bin";

const isVad = (weights: Weights) => vadModels.includes(weights);

/** The catalogue with what is there of it, then files of MODELS_DIR that the catalogue does not know. */
async function rowsOf({ modelsDir }: Config): Promise<Row[]> {
  const known = [...speechModels, ...vadModels];
  const rows = known.map(async (weights): Promise<Row> => {
    const path = join(modelsDir, weights.file);
    const installed = (await sizeOf(path)) === weights.bytes;
    return {
      name: weights.name,
      kind: isVad(weights) ? "vad" : "speech",
      bytes: weights.bytes,
      installed,
      path,
    };
  });
  const names = await readdir(modelsDir).catch((): string[] => []);
  const own = names
    .filter((name) => name.endsWith(".bin") && name !== bundled && !known.some(({ file }) => file === name))
    .map(async (name): Promise<Row> => {
      const path = join(modelsDir, name);
      return { name, kind: "own", bytes: await sizeOf(path), installed: true, path };
    });
  return Promise.all([...rows, ...own]);
}

async function list({ all, json }: { readonly all?: true; readonly json?: true }): Promise<void> {
  const rows = (await rowsOf(loadConfig().config)).filter(({ installed }) => all || installed);
  if (json) return printResult(`${JSON.stringify(rows, null, 2)}\n`);
  if (rows.length === 0)
    return say("No model is installed. `whisper-api models list --all` shows what there is.");
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, bytes, kind, installed }) => {
    const notes = [kind === "vad" ? "voice activity" : "", all && installed ? "installed" : ""];
    return `${name.padEnd(width)}  ${size(bytes).padStart(8)}  ${notes.filter((note) => note).join(", ")}`.trimEnd();
  });
  await printResult(`${lines.join("\n")}\n`);
}

async function pull(names: readonly string[]): Promise<void> {
  const { config } = loadConfig();
  const wanted = names.map(lookUp);
  const interrupted = new AbortController();
  // not once(): then nobody would listen any more when the library that restores the cursor looks, and it would end the process
  process.on("SIGINT", () => interrupted.abort());
  for (const weights of wanted) {
    const path = join(config.modelsDir, weights.file);
    if ((await sizeOf(path)) === weights.bytes) say(`${weights.name} is already here`);
    else await pullOne(weights, path, config, interrupted.signal);
    await printResult(`${path}\n`);
  }
}

async function pullOne(weights: Weights, path: string, config: Config, signal: AbortSignal): Promise<void> {
  try {
    await download({
      url: `${isVad(weights) ? config.vadUrl : config.modelsUrl}/${weights.file}`,
      path,
      weights,
      onProgress: downloadProgress(weights.name),
      onWait: (pid) => say(`Process ${pid} is downloading ${weights.name}: waiting for it`),
      signal,
    });
  } catch (error) {
    if (!signal.aborted) throw new Failure(`${weights.name}: ${(error as Error).message}`);
    throw new Failure(
      `Interrupted. The next pull of ${weights.name} continues where this one was.`,
      exitCodes.interrupted,
    );
  }
}

async function remove(names: readonly string[]): Promise<void> {
  const rows = await rowsOf(loadConfig().config);
  const found = names.map((name) => {
    const row = rows.find((each) => each.installed && each.name === name);
    if (!row) throw new Failure(`No model ${JSON.stringify(name)} is installed`);
    return row;
  });
  for (const { name, path, bytes } of found) {
    await rm(path);
    await rm(`${path}.part`, { force: true });
    say(`${name} is deleted: ${size(bytes)} are free`);
  }
}

async function info(name: string, { json }: { readonly json?: true }): Promise<void> {
  const { config } = loadConfig();
  const weights = lookUp(name);
  const path = join(config.modelsDir, weights.file);
  const facts = {
    name: weights.name,
    file: weights.file,
    bytes: weights.bytes,
    sha256: weights.sha256,
    url: `${isVad(weights) ? config.vadUrl : config.modelsUrl}/${weights.file}`,
    installed: (await sizeOf(path)) === weights.bytes,
    path,
  };
  if (json) return printResult(`${JSON.stringify(facts, null, 2)}\n`);
  const shown = {
    ...facts,
    bytes: `${facts.bytes} (${size(facts.bytes)})`,
    installed: facts.installed ? "yes" : "no",
  };
  await printResult(
    Object.entries(shown)
      .map(([key, value]) => `${key.padEnd(10)} ${value}\n`)
      .join(""),
  );
}

/** Throws ModelError with the nearest names. */
const lookUp = (name: string): Weights =>
  vadModels.find((weights) => weights.name === name) ?? findWeights(speechModels, name, "the model");

/** e.g. "148 MB", as disks and downloads are counted. */
const size = (bytes: number) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.max(1, Math.round(bytes / 1e6))} MB`;
