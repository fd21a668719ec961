/** The native addon: built with cmake-js when what it is made of has changed, which a stamp in build/ tells. */
import { createHash } from "node:crypto";
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { pinnedBun } from "./bun.mjs";
import { run, SetupError, which } from "./command.mjs";
import { cmakeOptions, detectFlags } from "./flags.mjs";
import { Progress } from "./progress.mjs";
import { nativeSources } from "./sources.mjs";
import { ffmpegVersion, prepareSystem } from "./system.mjs";

/** @typedef {import("./setup.mjs").Place} Place */
/** @typedef {import("./flags.mjs").BuildFlag} BuildFlag */

/**
 * @typedef {object} Stamp
 * @property {BuildFlag[]} flags of the last build; the next one keeps them
 * @property {string} configuration digest of what needs a build from scratch
 * @property {string | null} sources digest of our C++; null while a build is running, or after it failed
 * @property {string | null} ffmpeg versions of the libraries that it was built with
 */

/** Packages that end up in the addon: a change of another one in bun.lock is no reason to build. */
const packages = ["cmake-js", "node-addon-api", "node-api-headers", "nodejs-whisper"];
/** Lines of a compiler, a linker, CMake, make or ninja that say what went wrong. */
const complaint = /\berror\b[^:]{0,20}:|CMake Error|undefined reference|cannot find -l|\*\*\* /i;
const maxComplaintLines = 40;

/**
 * @param {Place} place
 * @param {BuildFlag[] | null} wanted null: those of the last build
 */
export function addonIsReady(place, wanted) {
  const stamp = readStamp(place);
  if (!stamp || !existsSync(join(place.root, "build", "Release", "whisper.node"))) return false;
  if (wanted && wanted.join() !== stamp.flags.join()) return false;
  if (stamp.configuration !== configuration(place, stamp.flags) || stamp.sources !== sources(place))
    return false;
  // Where FFmpeg's headers are not installed (an image made from a build) the addon is not to be built again.
  const ffmpeg = ffmpegVersion(place.env);
  return ffmpeg === null || ffmpeg === stamp.ffmpeg;
}

/**
 * @param {Place} place
 * @param {string} bun its path
 * @param {BuildFlag[] | null} wanted
 */
export async function buildAddon(place, bun, wanted) {
  const last = readStamp(place);
  const flags = wanted ?? last?.flags ?? detectFlags(place.env);
  await prepareSystem(place, flags);
  const build = join(place.root, "build");
  /** @type {Stamp} */
  const stamp = {
    flags,
    configuration: configuration(place, flags),
    sources: null,
    ffmpeg: ffmpegVersion(place.env),
  };
  // Objects of another configuration are worse than none: npm packages keep their files' times from version to version.
  if (last?.configuration !== stamp.configuration || !cacheFits(place))
    rmSync(build, { recursive: true, force: true });
  writeStamp(place, stamp);
  const made = sources(place);

  const options = [...cmakeOptions(flags), `WHISPER_CPP_DIR=${whisperDir(place)}`].map(
    (option) => `--CD${option}`,
  );
  const how = flags.filter((flag) => flag !== "--cpu").join(" ");
  await cmakeJs(
    place,
    bun,
    `Building the addon${how ? ` (${how})` : ""}; the first time takes minutes`,
    options,
  );
  writeStamp(place, { ...stamp, sources: made });
}

/**
 * `configure` and `build` rather than `compile`: that one builds everything a second time when the first fails. Run on Bun,
 * because cmake-js does not run on all versions of Node that we promise.
 *
 * @param {Place} place
 * @param {string} bun
 * @param {string} what
 * @param {string[]} options
 */
async function cmakeJs({ root, env }, bun, what, options) {
  const logPath = join(root, ".cache", "build.log");
  mkdirSync(join(root, ".cache"), { recursive: true });
  const log = createWriteStream(logPath);
  /** @type {string[]} */
  const lines = [];
  const progress = new Progress(what);
  const onLine = (/** @type {string} */ line) => {
    log.write(`${line}\n`);
    lines.push(line);
    const [, percent, done, all] = /^\[ *(?:(\d+)%|(\d+)\/(\d+))\]/.exec(line) ?? [];
    if (percent) progress.update(Number(percent));
    else if (done && all) progress.update((100 * Number(done)) / Number(all));
  };
  const script = join(root, "node_modules", "cmake-js", "bin", "cmake-js");
  let code = 0;
  for (const step of [
    ["configure", ...options],
    ["build", "--parallel", String(cpus().length)],
  ]) {
    code ||= await run(bun, ["--bun", script, ...step], { cwd: root, env, onLine });
  }
  progress.end(code === 0);
  await new Promise((resolve) => log.end(() => resolve(undefined)));
  if (code === 0) return;
  throw new SetupError(`${complaints(lines)}\n\nThe addon could not be built. The whole log: ${logPath}`);
}

/** What the tools complained about, with the lines after it that point at the place. @param {string[]} lines */
function complaints(lines) {
  const shown = lines.filter((_, at) =>
    lines.slice(Math.max(0, at - 3), at + 1).some((line) => complaint.test(line)),
  );
  return (shown.length > 0 ? shown.slice(0, maxComplaintLines) : lines.slice(-20)).join("\n");
}

/** @param {Place} place @param {readonly BuildFlag[]} flags */
function configuration(place, flags) {
  const lock = readFileSync(join(place.root, "bun.lock"), "utf8").split("\n");
  const pinned = lock.filter((line) => packages.some((name) => line.startsWith(`    "${name}": [`)));
  const machine = [process.platform, process.arch, pinnedBun(place)];
  return digest([...flags, ...pinned, ...machine, place.env.WHISPER_CPP_DIR ?? ""].join("\n"));
}

/** @param {Place} place */
function sources({ root }) {
  const paths = ["CMakeLists.txt", ...nativeSources(root)];
  return digest(paths.map((path) => `${path} ${digest(readFileSync(join(root, path)))}`).join("\n"));
}

/** @param {Place} place whisper.cpp's source */
function whisperDir({ root, env }) {
  return env.WHISPER_CPP_DIR || join(root, "node_modules", "nodejs-whisper", "cpp", "whisper.cpp");
}

/** Whether CMake can go on in build/: it refuses after the checkout has moved or ninja has come. @param {Place} place */
function cacheFits({ root, env }) {
  const path = join(root, "build", "CMakeCache.txt");
  if (!existsSync(path)) return true;
  const cache = readFileSync(path, "utf8");
  const generator = which("ninja", env) ? "Ninja" : "Unix Makefiles";
  return (
    cache.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`) &&
    cache.includes(`CMAKE_GENERATOR:INTERNAL=${generator}\n`)
  );
}

/** @param {Place} place */
function stampPath({ root }) {
  return join(root, "build", "stamp.json");
}

/** @param {Place} place @returns {Stamp | null} */
function readStamp(place) {
  try {
    return JSON.parse(readFileSync(stampPath(place), "utf8"));
  } catch {
    return null;
  }
}

/** @param {Place} place @param {Stamp} stamp */
function writeStamp(place, stamp) {
  const path = stampPath(place);
  mkdirSync(join(place.root, "build"), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(stamp));
  renameSync(`${path}.new`, path);
}

/** @param {string | Buffer} data */
function digest(data) {
  return createHash("sha256").update(data).digest("hex");
}
