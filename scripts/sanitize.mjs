/**
 * `node scripts/sanitize.mjs thread|address [stress's options]`: the engine and live audio without Node
 * (test/native/programs/stress.cc, live.cc) under ThreadSanitizer, or AddressSanitizer with UBSan. Builds in build/<sanitizer>, minutes the first time. ggml without OpenMP:
 * libgomp is not instrumented, and its barriers would look like races.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const flags = { thread: "thread", address: "address,undefined" };
const [name = "", ...rest] = process.argv.slice(2);
const sanitizer = name === "thread" || name === "address" ? flags[name] : null;
if (!sanitizer) throw new Error(`Expected thread or address but received ${name || "nothing"}`);

const build = join(root, "build", name);
/** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run("cmake", [
  ...["-S", root, "-B", build, "-DCMAKE_BUILD_TYPE=RelWithDebInfo"],
  ...[`-DWHISPER_API_SANITIZE=${sanitizer}`, "-DGGML_OPENMP=OFF"],
]);
run("cmake", ["--build", build, "--target", "live", "stress", "--parallel"]);
const options = {
  TSAN_OPTIONS: "halt_on_error=1 second_deadlock_stack=1",
  UBSAN_OPTIONS: "halt_on_error=1 print_stacktrace=1",
};
const silero = join(root, "../shared/models/ggml-silero-v6.2.0.bin");
run(join(build, "Release", "live"), existsSync(silero) ? [silero] : [], options);
const recordings = ["en-digits.wav", "zh-segments.wav", "silence.wav"].map((file) =>
  join(root, "test/fixtures", file),
);
run(join(build, "Release", "stress"), [join(root, "models/demo.bin"), ...recordings, ...rest], options);
