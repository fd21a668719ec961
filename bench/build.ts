/** Makes what the comparison needs, once: whisper.cpp's own programs and a model of real size. Kept in .cache/bench. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join, resolve } from "node:path";
import { spawn, tail } from "./process.ts";
import { isShape, widen } from "./widen.ts";

export const root = resolve(import.meta.dir, "..");
/** Outside of build/, which cmake-js may empty. */
export const cache = join(root, ".cache", "bench");

const whisperCpp = resolve(root, Bun.env.WHISPER_CPP_DIR ?? "node_modules/nodejs-whisper/cpp/whisper.cpp");

export function whisperVersion(): string {
  const version = /project\("whisper\.cpp" VERSION ([\d.]+)\)/;
  return version.exec(readFileSync(join(whisperCpp, "CMakeLists.txt"), "utf8"))?.[1] ?? "unknown";
}

/** Paths of whisper.cpp's programs. */
export interface Programs {
  readonly server: string;
  readonly cli: string;
}

/**
 * Builds whisper-server and whisper-cli from the addon's own source with the addon's own ggml options, so that only the
 * programs differ. Does nothing when they are up to date. Throws with the end of the log when the build fails.
 */
export async function buildPrograms(): Promise<Programs> {
  const dir = join(cache, "whisper.cpp");
  const programs = { server: join(dir, "bin", "whisper-server"), cli: join(dir, "bin", "whisper-cli") };
  const options = [
    ...["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DWHISPER_BUILD_TESTS=OFF"],
    ...ggmlOptions(),
  ];
  const stamp = join(dir, "made-of.txt");
  const madeOf = [whisperCpp, whisperVersion(), ...options].join("\n");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === madeOf) return programs;

  console.error("building whisper-server and whisper-cli (a minute or two, once)");
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const log = join(cache, "build.log");
  rmSync(log, { force: true });
  await execute(["cmake", "-S", whisperCpp, "-B", dir, ...options], log);
  const jobs = String(availableParallelism());
  await execute(
    ["cmake", "--build", dir, "--parallel", jobs, "--target", "whisper-server", "whisper-cli"],
    log,
  );
  writeFileSync(stamp, madeOf);
  return programs;
}

/** The ggml switches of the addon's build; before there is one, the stated baseline (no native instructions). */
function ggmlOptions(): string[] {
  const path = join(root, "build", "CMakeCache.txt");
  if (!existsSync(path)) return ["-DGGML_NATIVE=OFF"];
  const entries = readFileSync(path, "utf8");
  const switches = entries.matchAll(/^(GGML_\w+|CMAKE_CUDA_ARCHITECTURES):(?:BOOL|STRING)=(.+)$/gm);
  return Array.from(switches, ([, name, value]) => `-D${name}=${value}`);
}

async function execute(command: string[], logPath: string): Promise<void> {
  const log = openSync(logPath, "a");
  const child = spawn(command, { stdout: log, stderr: log });
  const exitCode = await child.exited;
  closeSync(log);
  if (exitCode === 0) return;
  throw new Error(`${command.slice(0, 2).join(" ")} failed:\n${tail(logPath)}\n(the whole log: ${logPath})`);
}

/**
 * A model's path: "demo" is the bundled one; "tiny", "base", "small", "medium" and "large" are the bundled one in that
 * shape and at that cost, made on first use; anything else is a path.
 */
export async function findModel(name: string): Promise<string> {
  const demo = join(root, "models", "demo.bin");
  if (name === "demo") return demo;
  if (!isShape(name)) {
    if (existsSync(name)) return resolve(name);
    throw new Error(
      `Expected demo, tiny, base, small, medium, large or a path for --model but received "${name}"`,
    );
  }
  const target = join(cache, `demo-${name}.bin`);
  if (!existsSync(target) || statSync(target).mtimeMs < statSync(demo).mtimeMs) {
    console.error(`making ${basename(target)}`);
    mkdirSync(cache, { recursive: true });
    await widen(demo, name, target);
  }
  return target;
}
