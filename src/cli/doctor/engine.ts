/** What the engine needs: the addon, a CPU for it, perhaps a GPU, decoders, weights. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../config/settings.ts";
import { speechModels, vadModels } from "../../models/catalog.ts";
import { sizeOf } from "../../models/download.ts";
import { find as findWeights } from "../../models/ensure.ts";
import type { Info } from "../../native.ts";
import type { Finding } from "../doctor.ts";

export interface Probe {
  /** null: the addon could not be loaded, or the weights not be read. */
  readonly info: ProbedInfo | null;
  /** What the child said of it, or what it died of. */
  readonly problem: string;
}

/** What the addon says of itself, and the library that kept another one from being loaded. */
type ProbedInfo = Info & { readonly missingLibrary: string | null };

const timeoutMs = 60_000;

/** Loads the addon, and `weights` if there are any, in a process of its own: what is wrong there cannot end this one. */
export async function probe(weights?: string): Promise<Probe> {
  const isCompiled = Bun.main.startsWith("/$bunfs/") || Bun.main.startsWith("B:/~BUN/");
  const program = isCompiled ? [process.execPath] : [process.execPath, Bun.main];
  const child = Bun.spawn([...program, "doctor", "--probe", ...(weights ? [weights] : [])], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: timeoutMs,
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  if (child.exitCode === 0) return { info: JSON.parse(stdout) as ProbedInfo, problem: "" };
  const said = stderr.trim().split("\n").at(-1) ?? "";
  return { info: null, problem: child.signalCode ? `the process died of ${child.signalCode}` : said };
}

/** The child's part. Throws what the addon throws. */
export async function runProbe(weights: string | true): Promise<void> {
  try {
    const { missingLibrary, native } = await import("../../native.ts");
    native.setLog(null);
    if (typeof weights === "string") {
      const options = { gpu: -1, threads: 1, kernels: true, slots: 1, slotsBytes: 0 };
      await (await native.loadModel(weights, options).result).close();
    }
    console.log(JSON.stringify({ ...native.info(), missingLibrary } satisfies ProbedInfo));
  } catch (error) {
    console.error((error as Error).message.replaceAll("\n", " "));
    process.exit(1);
  }
}

/** What keeps an addon from being loaded, and what to do about it. */
const remedies: readonly (readonly [RegExp, string])[] = [
  [
    /SIGILL|processor is too old/,
    "This CPU lacks what the addon was built for: x86-64-v3 (2013 and later), or armv8.2 with dot products.",
  ],
  [
    /libcuda\.so/,
    "It comes with NVIDIA's driver (in a container: --gpus all). For the CPU: npm start -- --cpu.",
  ],
  [/libcu\w+\.so/, "It is part of the CUDA toolkit of the build's version. For the CPU: npm start -- --cpu."],
  [/libvulkan\.so/, "With apt: libvulkan1, and the GPU's driver. For the CPU: npm start -- --cpu."],
  [
    /\$bunfs|failed to map segment/,
    "What this program carries is unpacked to /tmp, or the folder in BUN_TMPDIR: it has to be writable and not noexec.",
  ],
  [/Cannot find module|ENOENT/, "It is not built: npm start builds it."],
  [/(?:)/, "Build it again: remove build/ and run npm start."],
];

export function checkAddon({ info, problem }: Probe): Finding {
  const topic = "Addon";
  if (info) return { level: "ok", topic, text: `whisper.cpp ${info.version}, kernels for ${info.kernels}` };
  const remedy = remedies.find(([problems]) => problems.test(problem))?.[1] ?? "";
  return { level: "fail", topic, text: `cannot be loaded: ${problem}`, remedy };
}

/** The usual baseline of a build: CMakeLists.txt. By the names of /proc/cpuinfo. */
const needed: Partial<Record<NodeJS.Architecture, readonly string[]>> = {
  x64: ["sse4_2", "avx", "avx2", "bmi2", "fma", "f16c"],
  arm64: ["asimd", "asimddp"],
};

/** `runs`: whether the addon does, which looks for what it needs; /proc/cpuinfo may be that of a machine that emulates this one. */
export function checkCpu(
  runs: boolean,
  cpuinfo = readText("/proc/cpuinfo"),
  architecture = process.arch,
): Finding {
  const topic = "CPU";
  const [, listed] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo) ?? [];
  const wanted = needed[architecture];
  const cores = `${navigator.hardwareConcurrency} cores`;
  if (!wanted || listed === undefined) {
    return {
      level: "ok",
      topic,
      text: `${architecture}, ${cores}; its features are not listed on this system`,
    };
  }
  const features = new Set(listed.split(/\s+/));
  const missing = wanted.filter((name) => !features.has(name));
  if (missing.length === 0)
    return { level: "ok", topic, text: `${architecture} with ${wanted.join(" ")}, ${cores}` };
  if (runs) return { level: "ok", topic, text: `${architecture}, ${cores}` };
  return {
    level: "fail",
    topic,
    text: `${architecture} without ${missing.join(" ")}, which the addon is built for`,
    remedy: "Use a machine with x86-64-v3 (2013 and later) or armv8.2 with dot products.",
  };
}

export function checkGpu(
  { backends, devices }: Pick<Info, "backends" | "devices">,
  setting: Config["gpu"],
): Finding {
  const topic = "GPU";
  const gpus = devices.filter(({ type }) => type === "gpu");
  if (typeof setting === "number" && setting >= gpus.length) {
    return {
      level: "warn",
      topic,
      text: `GPU=${setting} is not there (${gpus.length} found): the CPU computes`,
      remedy: "Set GPU to auto, or build with --cuda or --vulkan.",
    };
  }
  if (backends.length === 0) return { level: "ok", topic, text: "none in this build: the CPU computes" };
  const build = backends.join(" and ");
  if (gpus.length === 0 && setting === "off")
    return { level: "ok", topic, text: `${build}, off by GPU=off: the CPU computes` };
  if (gpus.length === 0) {
    return {
      level: "warn",
      topic,
      text: `this build is for ${build}, and no GPU was found: the CPU computes`,
      remedy: `Look for it with ${build === "Vulkan" ? "vulkaninfo --summary" : "nvidia-smi"}: its driver is missing, or the container was not given it.`,
    };
  }
  const used = setting === "off" ? " (off by GPU=off)" : "";
  return { level: "ok", topic, text: gpus.map(({ description }) => description).join(", ") + used };
}

export function checkFfmpeg({
  ffmpeg,
  missingLibrary,
}: Pick<ProbedInfo, "ffmpeg" | "missingLibrary">): Finding {
  const topic = "Decoders";
  if (ffmpeg !== null) return { level: "ok", topic, text: `FFmpeg's libraries, libavformat ${ffmpeg}` };
  const few = "only wav, mp3, flac and ogg-vorbis are read";
  if (missingLibrary !== null) {
    return {
      level: "warn",
      topic,
      text: `${few}: ${missingLibrary}`,
      remedy:
        "Install FFmpeg's libraries of the version that this program was built with (.so.59 is libavformat59, libavcodec59, libavutil57 and libswresample4 of Debian 12), or build it here.",
    };
  }
  return {
    level: "warn",
    topic,
    text: `built without FFmpeg's libraries: ${few}`,
    remedy: "Install libavformat-dev libavcodec-dev libavutil-dev libswresample-dev, then npm start.",
  };
}

export async function* checkWeights(config: Config): AsyncGenerator<Finding> {
  yield await checkSpeechModel(config);
  const { vadModel: name, modelsDir } = config;
  if (name === "off") yield { level: "ok", topic: "VAD", text: "off by VAD_MODEL=off" };
  else if (isPath(name)) yield await checkFile("VAD", name, config, false);
  else {
    const found = vadModels.find((weights) => weights.name === name);
    if (!found) yield unknown("VAD", `VAD_MODEL=${name} is not known`);
    else if ((await sizeOf(join(modelsDir, found.file))) === found.bytes)
      yield { level: "ok", topic: "VAD", text: name };
    else yield await missing("VAD", name, `${config.vadUrl}/${found.file}`);
  }
}

async function checkSpeechModel(config: Config): Promise<Finding> {
  const { whisperModel: name, modelsDir } = config;
  const topic = "Model";
  if (name === "demo") {
    const remedy = "Set WHISPER_MODEL to a real one: base, small, large-v3-turbo.";
    return { level: "warn", topic, text: "demo knows a few words of synthetic voices only", remedy };
  }
  if (isPath(name)) return checkFile(topic, name, config, true);
  try {
    const weights = findWeights(speechModels, name, "WHISPER_MODEL");
    const path = join(modelsDir, weights.file);
    if ((await sizeOf(path)) === weights.bytes) return checkFile(topic, path, config, true);
    return missing(topic, name, `${config.modelsUrl}/${weights.file}`);
  } catch (error) {
    return unknown(topic, (error as Error).message);
  }
}

/** Reads weights in a child process. */
async function checkFile(topic: string, name: string, config: Config, isSpeech: boolean): Promise<Finding> {
  const paths = [name, join(config.modelsDir, name)];
  const sizes = await Promise.all(paths.map(sizeOf));
  const path = paths[sizes.findIndex((bytes) => bytes > 0)];
  if (path === undefined) return unknown(topic, `There is no file ${name}`);
  if (!isSpeech) return { level: "ok", topic, text: path };
  const { info, problem } = await probe(path);
  if (info) return { level: "ok", topic, text: `${path} can be read` };
  const remedy = "Delete it and pull it again: whisper-api models rm, whisper-api models pull.";
  return { level: "fail", topic, text: `${path} cannot be used: ${problem}`, remedy };
}

const isPath = (name: string) => name.includes("/") || name.endsWith(".bin");

const unknown = (topic: string, text: string): Finding => ({
  level: "fail",
  topic,
  text,
  remedy: "whisper-api models list --all shows the names.",
});

const reachMs = 5000;

/** Weights that the next start would download, if it can. */
async function missing(topic: string, name: string, url: string): Promise<Finding> {
  const remedy = `whisper-api models pull ${name}`;
  const problem = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(reachMs) }).then(
    ({ status, ok }) => (ok ? null : `answers ${status}`),
    (error: Error & { code?: string }) => `cannot be reached: ${error.code ?? error.message}`,
  );
  const { origin } = new URL(url);
  return problem === null
    ? { level: "warn", topic, text: `${name} is not here yet: it is downloaded at the next start`, remedy }
    : {
        level: "warn",
        topic,
        text: `${name} is not here, and ${origin} ${problem}`,
        remedy: `With a network: ${remedy}`,
      };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
