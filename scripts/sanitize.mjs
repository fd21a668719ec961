/**
 * `node scripts/sanitize.mjs thread|address [stress's options]`: the nodes, live audio and the engine without Node
 * (test/native/programs/nodes.cc, live.cc, stress.cc) under ThreadSanitizer, or AddressSanitizer with UBSan.
 * `node scripts/sanitize.mjs tests [bun test's arguments]`: test/native, or what is named, with the addon under AddressSanitizer
 * with UBSan, in Bun (Linux and gcc). Builds in build/thread or build/address, minutes the first time. ggml without OpenMP:
 * libgomp is not instrumented, and its barriers would look like races.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [name = "", ...rest] = process.argv.slice(2);
if (!["thread", "address", "tests"].includes(name))
  throw new Error(`Expected thread, address or tests but received ${name || "nothing"}`);

const [folder, sanitizers] = name === "thread" ? ["thread", "thread"] : ["address", "address,undefined"];
const build = join(root, "build", folder);
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
  ...[`-DWHISPER_API_SANITIZE=${sanitizers}`, "-DGGML_OPENMP=OFF"],
  `-DCMAKE_JS_INC=${join(root, "node_modules/node-api-headers/include")}`,
]);
/** @param {string} where @param {string[]} targets */
const make = (where, ...targets) => run("cmake", ["--build", where, "--target", ...targets, "--parallel"]);
const options = {
  TSAN_OPTIONS: "halt_on_error=1 second_deadlock_stack=1",
  UBSAN_OPTIONS: "halt_on_error=1 print_stacktrace=1",
};
if (name === "tests") {
  make(build, "addon");
  make(join(root, "build"), "nodes", "reference"); // or the tests would, with what is loaded below in every compiler
  const library = (/** @type {string} */ file) =>
    spawnSync("c++", [`-print-file-name=${file}`], { encoding: "utf8" }).stdout.trim();
  run("bun", ["test", "--timeout=3600000", ...(rest.length > 0 ? rest : ["test/native"])], {
    ...options,
    // before Bun's own: AddressSanitizer has to see every allocation and every exception of C++
    LD_PRELOAD: ["libasan.so", "libubsan.so", "libstdc++.so"].map(library).join(" "),
    // what JavaScript holds is no leak, but looks like one; Bun's engine and its crash reports use the signals
    ASAN_OPTIONS:
      "detect_leaks=0 handle_segv=0 handle_sigbus=0 handle_sigfpe=0 use_sigaltstack=0 quarantine_size_mb=16",
    BUN_OPTIONS: `--preload=${join(root, "scripts/sanitized.ts")}`,
  });
  process.exit();
}
make(build, "live", "nodes", "stress");
run(join(build, "Release", "nodes"), [], options);
const silero = join(root, "../shared/models/ggml-silero-v6.2.0.bin");
run(join(build, "Release", "live"), existsSync(silero) ? [silero] : [], options);
const recordings = ["en-digits.wav", "zh-segments.wav", "silence.wav"].map((file) =>
  join(root, "test/fixtures", file),
);
run(join(build, "Release", "stress"), [join(root, "models/demo.bin"), ...recordings, ...rest], options);
