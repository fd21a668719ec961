/** What the server needs of the machine: memory, folders, a port, keys. */
import { rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Config } from "../../config/settings.ts";
import { speechModels } from "../../models/catalog.ts";
import { sizeOf } from "../../models/download.ts";
import { Failure, tryPort } from "../command.ts";
import type { Finding } from "../doctor.ts";
import { findRecorder } from "../listening/recorder.ts";

const spareBytes = 2 ** 30;

export async function* checkFolders({ dataDir, uploadDir, modelsDir }: Config): AsyncGenerator<Finding> {
  for (const [setting, path] of [
    ["DATA_DIR", dataDir],
    ["UPLOAD_DIR", uploadDir],
    ["MODELS_DIR", modelsDir],
  ] as const) {
    yield await checkFolder(setting, path);
  }
}

async function checkFolder(setting: string, path: string): Promise<Finding> {
  const topic = "Folder";
  const there = await nearest(resolve(path));
  const file = join(there, `.whisper-api-doctor-${process.pid}`);
  try {
    await writeFile(file, "");
    await rm(file);
  } catch (error) {
    return {
      level: "fail",
      topic,
      text: `${setting}=${path} cannot be written to: ${(error as Error).message}`,
      remedy: `Give it to the user who runs this, or set ${setting} to another folder.`,
    };
  }
  const { bavail, bsize } = await statfs(there);
  if (bavail * bsize >= spareBytes)
    return { level: "ok", topic, text: `${setting}=${path} can be written to` };
  return {
    level: "warn",
    topic,
    text: `${setting}=${path} has ${Math.floor((bavail * bsize) / 2 ** 20)} MiB left`,
    remedy: `Free some, or set ${setting} to a folder on another disk.`,
  };
}

/** The folder itself, or the one that it would be made in. */
async function nearest(path: string): Promise<string> {
  const found = await stat(path).catch(() => null);
  return found || dirname(path) === path ? path : nearest(dirname(path));
}

/** Weights are held in memory, and what runs needs about half as much again. */
export async function* checkMemory(config: Config): AsyncGenerator<Finding> {
  const { whisperModel: name, modelsDir } = config;
  const known = speechModels.find((weights) => weights.name === name);
  const [own, inModels] = await Promise.all([sizeOf(name), sizeOf(join(modelsDir, name))]);
  const bytes = known?.bytes ?? (own || inModels);
  const free = process.availableMemory();
  const taken = bytes > 0 ? `, ${name} takes about ${size(1.5 * bytes)}` : "";
  const shown = `${size(free)} are free${taken}`;
  if (free >= 1.5 * bytes) yield { level: "ok", topic: "Memory", text: shown };
  else
    yield {
      level: "warn",
      topic: "Memory",
      text: shown,
      remedy: "Use a smaller model, or a quantised one (-q5_0, -q8_0).",
    };
}

const size = (bytes: number) =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;

const connectMs = 3000;

export async function checkPort({ host, port }: Config): Promise<Finding> {
  const topic = "Port";
  const address = `${host}:${port}`;
  try {
    tryPort(host, port);
    return { level: "ok", topic, text: `${address} is free` };
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code !== "EADDRINUSE") {
      return {
        level: "fail",
        topic,
        text: `${address}: ${message}`,
        remedy: "Set HOST and PORT to what this machine has.",
      };
    }
  }
  const ours = await whoServes(host, port);
  if (ours) return { level: "ok", topic, text: `${address} is served by whisper-api ${ours} already` };
  return { level: "fail", topic, text: `${address} is in use`, remedy: "Set PORT to another one." };
}

/** Our version, when it is us who listen there. */
async function whoServes(host: string, port: number): Promise<string | null> {
  const local = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  try {
    const response = await fetch(`http://${local}:${port}/health`, {
      signal: AbortSignal.timeout(connectMs),
    });
    const { status, version } = (await response.json()) as { status?: string; version?: string };
    return status === "ok" && version ? version : null;
  } catch {
    return null;
  }
}

export function checkKeys({ apiKeys, host }: Pick<Config, "apiKeys" | "host">): Finding {
  const topic = "Keys";
  if (apiKeys.length > 0) return { level: "ok", topic, text: `${apiKeys.length} in API_KEY` };
  if (/^(127\.|localhost$|::1$)/.test(host)) {
    return { level: "ok", topic, text: "none are needed: only this machine reaches the server" };
  }
  const remedy = "Set API_KEY, or HOST=127.0.0.1.";
  return { level: "warn", topic, text: "none: everyone who reaches the server can use it", remedy };
}

export function checkRecorder(): Finding {
  const topic = "Microphone";
  try {
    return {
      level: "ok",
      topic,
      text: `whisper-api listen records with ${findRecorder(undefined, undefined).name}`,
    };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return {
      level: "warn",
      topic,
      text: "nothing here can record for whisper-api listen",
      remedy: error.message,
    };
  }
}
