/** `whisper-api doctor`: what is needed, whether it is there, and what to do where it is not. */
import { styleText } from "node:util";
import { ConfigError, loadConfig } from "../config/load.ts";
import { hanging } from "./columns.ts";
import { type Define, Failure } from "./command.ts";
import {
  checkAddon,
  checkCpu,
  checkFfmpeg,
  checkGpu,
  checkWeights,
  probe,
  runProbe,
} from "./doctor/engine.ts";
import { checkFolders, checkKeys, checkMemory, checkPort, checkRecorder } from "./doctor/place.ts";
import { checkStore } from "./doctor/store.ts";
import { printResult } from "./terminal.ts";

export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  readonly topic: string;
  readonly text: string;
  /** What to do about it; for warn and fail. */
  readonly remedy?: string;
}

export const define: Define = (command) => {
  command
    .option("--json", "As JSON, for programs.")
    // the child process that loads the addon: it may die of it
    .option("--probe [weights]")
    .action(({ probe: path, json }) => (path === undefined ? examine(json) : runProbe(path)));
  for (const option of command.options) option.hidden = option.long === "--probe";
};

/** Prints each finding when it is made. Throws Failure when one is a fail. */
async function examine(json: true | undefined): Promise<void> {
  const findings: Finding[] = [];
  for await (const finding of findAll()) {
    findings.push(finding);
    if (!json) await printResult(lineOf(finding));
  }
  if (json) await printResult(`${JSON.stringify(findings, null, 2)}\n`);
  const failed = findings.filter(({ level }) => level === "fail").length;
  if (failed > 0)
    throw new Failure(failed === 1 ? "One thing has to be mended." : `${failed} things have to be mended.`);
}

async function* findAll(): AsyncGenerator<Finding> {
  let loaded: ReturnType<typeof loadConfig>;
  try {
    loaded = loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const text of error.problems) {
      yield { level: "fail", topic: "Settings", text, remedy: "Set it anew, or unset it for the default." };
    }
    return;
  }
  const { config, warnings } = loaded;
  yield { level: "ok", topic: "Settings", text: "understood" };
  for (const text of warnings) {
    yield { level: "warn", topic: "Settings", text, remedy: "Correct the name, or unset it." };
  }
  const addon = await probe();
  yield checkAddon(addon);
  yield checkCpu(addon.info !== null);
  if (addon.info) {
    yield checkGpu(addon.info, config.gpu);
    yield checkFfmpeg(addon.info);
    yield* checkWeights(config);
  }
  yield* checkMemory(config);
  yield* checkFolders(config);
  yield* checkStore(config);
  yield await checkPort(config);
  yield checkKeys(config);
  yield checkRecorder();
}

const colours = { ok: "green", warn: "yellow", fail: "red" } as const;

function lineOf({ level, topic, text, remedy }: Finding): string {
  const { columns } = process.stdout;
  const mark = styleText(colours[level], level.padEnd(4), { stream: process.stdout });
  const line = hanging(`${mark}  ${topic.padEnd(10)} `, text, columns);
  return `${line}\n${remedy ? `${hanging(`${" ".repeat(17)}-> `, remedy, columns)}\n` : ""}`;
}
