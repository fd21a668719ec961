/** What the build needs of the system: looked for, and installed with apt or brew where that is possible. */
import { readdirSync, statSync } from "node:fs";
import { ask, run, SetupError, which } from "./command.mjs";

/** @typedef {import("./setup.mjs").Place} Place */
/** @typedef {import("./flags.mjs").BuildFlag} BuildFlag */
/** @typedef {"apt" | "brew" | "dnf" | "pacman" | "apk"} Manager */

/**
 * @typedef {object} Requirement
 * @property {string} what for people
 * @property {(env: NodeJS.ProcessEnv) => boolean} isThere
 * @property {Record<Manager, string>} packages "" where it is not a package
 * @property {BuildFlag} [flag] needed with this flag only
 */

const ffmpegLibraries = ["libavformat", "libavcodec", "libavutil", "libswresample"];
const listsMaxAgeMs = 7 * 24 * 3600 * 1000;

/** @type {Requirement[]} */
const required = [
  {
    what: "a C and C++17 compiler",
    isThere: (env) => hasCompilers(env),
    packages: { apt: "g++", brew: "", dnf: "gcc-c++", pacman: "gcc", apk: "g++" },
  },
  {
    what: "CMake 3.20 or newer",
    isThere: (env) => atLeast(ask("cmake", ["--version"], env), 3, 20),
    packages: { apt: "cmake", brew: "cmake", dnf: "cmake", pacman: "cmake", apk: "cmake" },
  },
  {
    what: "make or ninja",
    isThere: (env) => which("make", env) !== null || which("ninja", env) !== null,
    packages: { apt: "make", brew: "ninja", dnf: "make", pacman: "make", apk: "make" },
  },
  {
    what: "pkg-config",
    isThere: (env) => which("pkg-config", env) !== null,
    packages: {
      apt: "pkg-config",
      brew: "pkg-config",
      dnf: "pkgconf-pkg-config",
      pacman: "pkgconf",
      apk: "pkgconf",
    },
  },
  {
    what: "zlib's headers",
    isThere: (env) => compiles(env, ["#include <zlib.h>"]),
    packages: { apt: "zlib1g-dev", brew: "", dnf: "zlib-devel", pacman: "zlib", apk: "zlib-dev" },
  },
  {
    what: "Vulkan's headers (of Debian 13, Ubuntu 24.04 or newer), SPIR-V's headers and glslc",
    flag: "--vulkan",
    isThere: (env) =>
      which("glslc", env) !== null &&
      compiles(env, [
        "#include <vulkan/vulkan.h>",
        "#include <spirv/unified1/spirv.hpp>",
        "#ifndef VK_EXT_layer_settings", // ggml uses it; Debian 12's headers are older
        "#error",
        "#endif",
      ]),
    packages: {
      apt: "libvulkan-dev glslc spirv-headers",
      brew: "vulkan-loader vulkan-headers shaderc spirv-headers",
      dnf: "vulkan-loader-devel glslc spirv-headers-devel",
      pacman: "vulkan-headers vulkan-icd-loader shaderc spirv-headers",
      apk: "vulkan-loader-dev vulkan-headers shaderc spirv-headers",
    },
  },
  {
    what: "the CUDA toolkit (nvcc; https://developer.nvidia.com/cuda-downloads)",
    flag: "--cuda",
    isThere: (env) => which("nvcc", env) !== null,
    packages: { apt: "", brew: "", dnf: "", pacman: "cuda", apk: "" },
  },
];

/** @type {Requirement} */
const ffmpeg = {
  what: "FFmpeg's libraries",
  isThere: (env) => ffmpegVersion(env) !== null,
  packages: {
    apt: "libavformat-dev libavcodec-dev libavutil-dev libswresample-dev",
    brew: "ffmpeg",
    dnf: "ffmpeg-free-devel",
    pacman: "ffmpeg",
    apk: "ffmpeg-dev",
  },
};

/**
 * The versions of FFmpeg's libraries that a build would find, or null. It changes with the libraries' file names, which an
 * addon that was built before needs.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export function ffmpegVersion(env) {
  return ask("pkg-config", ["--modversion", ...ffmpegLibraries], env)?.replaceAll("\n", " ") ?? null;
}

/**
 * Makes sure that the addon can be built. What is missing is installed; where it cannot be, the command to type is in the
 * error. FFmpeg's libraries alone are not worth failing for.
 *
 * @param {Place} place
 * @param {readonly BuildFlag[]} flags
 */
export async function prepareSystem(place, flags) {
  const { env } = place;
  const needed = required.filter(({ flag }) => flag === undefined || flags.includes(flag));
  const missing = () => needed.filter(({ isThere }) => !isThere(env));
  if (missing().length > 0) await install(place, missing());
  const still = missing();
  if (still.length > 0) {
    throw new SetupError(
      `The addon cannot be built without ${list(still)}.\nInstall and start again:\n\n  ${command(env, still)}\n`,
    );
  }
  if (ffmpeg.isThere(env)) return;
  await install(place, [ffmpeg]);
  if (ffmpeg.isThere(env)) return;
  console.error(
    "FFmpeg's libraries are missing: building with the built-in decoders, which read wav, mp3, flac and ogg-vorbis only.\n" +
      `For all formats install them and start again:\n\n  ${command(env, [ffmpeg])}\n`,
  );
}

/**
 * Installs with apt or brew, when this user may without being asked for a password. Failure shows in the next look.
 *
 * @param {Place} place
 * @param {Requirement[]} missing
 */
async function install(place, missing) {
  const { env } = place;
  const names = packageNames(manager(env), missing);
  console.error(`System packages: ${list(missing)} missing`);
  if (names.length === 0) return;
  const options = { cwd: place.root, env: { ...env, DEBIAN_FRONTEND: "noninteractive" } };
  if (manager(env) === "brew") {
    console.error(`  brew install ${names.join(" ")}`);
    await run("brew", ["install", ...names], options);
  } else if (manager(env) === "apt") {
    const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"];
    if (sudo.length > 0 && ask("sudo", ["-n", "true"], env) === null) return;
    const apt = (/** @type {string[]} */ ...args) => {
      const [first = "", ...rest] = [...sudo, "apt-get", ...args];
      console.error(`  ${[first, ...rest].join(" ")}`);
      return run(first, rest, options);
    };
    const installArgs = ["install", "-y", "-q", "--no-install-recommends", ...names];
    const fresh = aptListsAreFresh();
    if (!fresh) await apt("update", "-q");
    if ((await apt(...installArgs)) !== 0 && fresh) {
      await apt("update", "-q");
      await apt(...installArgs);
    }
  }
}

/** apt keeps the server's time on the lists themselves; only their folder shows when they came. */
function aptListsAreFresh() {
  const folder = "/var/lib/apt/lists";
  try {
    const hasLists = readdirSync(folder).some((name) => name.includes("_Packages"));
    return hasLists && Date.now() - statSync(folder).mtimeMs < listsMaxAgeMs;
  } catch {
    return false;
  }
}

/** @param {NodeJS.ProcessEnv} env @returns {Manager | null} */
function manager(env) {
  if (process.platform === "darwin") return "brew";
  if (which("apt-get", env)) return "apt";
  for (const name of /** @type {const} */ (["dnf", "pacman", "apk"])) if (which(name, env)) return name;
  return null;
}

/** @param {Manager | null} name @param {Requirement[]} missing */
function packageNames(name, missing) {
  return missing.flatMap(({ packages }) => packages[name ?? "apt"].split(" ").filter(Boolean));
}

/**
 * The command that a person would type.
 *
 * @param {NodeJS.ProcessEnv} env
 * @param {Requirement[]} missing
 */
function command(env, missing) {
  const name = manager(env);
  const names = packageNames(name, missing).join(" ");
  const lines = {
    apt: `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names}`,
    brew: `brew install ${names}`,
    dnf: `sudo dnf install -y ${names}`,
    pacman: `sudo pacman -S --needed ${names}`,
    apk: `sudo apk add ${names}`,
  };
  const steps = names ? [name ? lines[name] : `${lines.apt}   # on Debian or Ubuntu`] : [];
  if (name === "brew" && missing.some(({ packages }) => packages.brew === ""))
    steps.unshift("xcode-select --install");
  return steps.join(" && ") || list(missing);
}

/** @param {Requirement[]} missing */
function list(missing) {
  return missing.map(({ what }) => what).join(", ");
}

/** The names that CMake tries too. @param {NodeJS.ProcessEnv} env */
function hasCompilers(env) {
  const cc = env.CC ? [env.CC] : ["cc", "gcc", "clang"];
  return cc.some((name) => ask(name, ["--version"], env) !== null) && compiles(env, ["#include <optional>"]);
}

/** @param {NodeJS.ProcessEnv} env @param {string[]} lines of C++17 */
function compiles(env, lines) {
  const names = env.CXX ? [env.CXX] : ["c++", "g++", "clang++"];
  const args = ["-std=c++17", "-fsyntax-only", "-x", "c++", "-"];
  return names.some((name) => ask(name, args, env, `${lines.join("\n")}\n`) !== null);
}

/** @param {string | null} text @param {number} major @param {number} minor */
function atLeast(text, major, minor) {
  const [, a = "0", b = "0"] = /(\d+)\.(\d+)/.exec(text ?? "") ?? [];
  return Number(a) > major || (Number(a) === major && Number(b) >= minor);
}
