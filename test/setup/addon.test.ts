import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { Checkout } from "./checkout.ts";

/** The options of the configure step; null when nothing was built. */
const configured = (calls: string[]) => calls.find((call) => call.includes("cmake-js configure")) ?? null;

async function ready(): Promise<Checkout> {
  const checkout = new Checkout();
  await checkout.run("start.mjs");
  return checkout;
}

test("a change in native/ or CMakeLists.txt is built, a new time alone is not", async () => {
  using checkout = await ready();
  utimesSync(join(checkout.root, "native", "answer.cc"), new Date(), new Date());
  expect(configured((await checkout.run("start.mjs")).calls)).toBeNull();
  for (const path of ["native/answer.cc", "native/new.h", "CMakeLists.txt"]) {
    checkout.write(path, "// changed\n");
    expect(configured((await checkout.run("start.mjs")).calls)).not.toBeNull();
    expect(configured((await checkout.run("start.mjs")).calls)).toBeNull();
  }
});

test("another version of a package in the addon is built from scratch, of another package only installed", async () => {
  using checkout = await ready();
  checkout.write("build/leftover.o", "old");
  checkout.write("bun.lock", checkout.read("bun.lock").replace("elysia@1.4.30", "elysia@1.4.31"));
  const other = await checkout.run("start.mjs");
  expect(other.calls).toContain("bun install --frozen-lockfile --no-summary");
  expect(configured(other.calls)).toBeNull();
  checkout.write(
    "bun.lock",
    checkout.read("bun.lock").replace("nodejs-whisper@0.3.1", "nodejs-whisper@0.3.2"),
  );
  expect(configured((await checkout.run("start.mjs")).calls)).not.toBeNull();
  expect(() => checkout.read("build/leftover.o")).toThrow();
});

test("a build flag is passed to CMake, kept by later starts, and undone by --cpu", async () => {
  using checkout = await ready();
  checkout.program("nvcc", "");
  const first = await checkout.run("start.mjs", ["--cuda", "--port", "1"]);
  expect(configured(first.calls)).toContain("--CDGGML_CUDA=ON");
  expect(first.stdout).toBe("serving src/main.ts serve --port 1\n");
  expect(configured((await checkout.run("start.mjs")).calls)).toBeNull();
  checkout.write("native/answer.cc", "// changed\n");
  expect(configured((await checkout.run("start.mjs")).calls)).toContain("--CDGGML_CUDA=ON");
  expect(configured((await checkout.run("start.mjs", ["--cpu"])).calls)).not.toContain("GGML_CUDA");
});

test("--cpu together with a back end is refused", async () => {
  using checkout = await ready();
  const { code, stderr } = await checkout.run("start.mjs", ["--cpu", "--cuda"]);
  expect(code).toBe(1);
  expect(stderr).toContain("Expected --cpu or other back ends but received --cpu --cuda");
});

test("CUDA is built where there are nvcc and a device, and not for an nvcc alone", async () => {
  using without = new Checkout();
  without.program("nvcc", "");
  without.program("nvidia-smi", "echo No devices were found; exit 6");
  expect(configured((await without.run("start.mjs")).calls)).not.toContain("CUDA");
  using withDevice = new Checkout();
  withDevice.program("nvcc", "");
  withDevice.program("nvidia-smi", "echo 'GPU 0: NVIDIA H100 (UUID: GPU-0)'");
  expect(configured((await withDevice.run("start.mjs")).calls)).toContain("--CDGGML_CUDA=ON");
});

test("WHISPER_CPP_DIR is built instead of the package's source", async () => {
  using checkout = await ready();
  const { calls } = await checkout.run("start.mjs", [], { WHISPER_CPP_DIR: "/opt/whisper.cpp" });
  expect(configured(calls)).toContain("--CDWHISPER_CPP_DIR=/opt/whisper.cpp");
});

test.skipIf(process.platform !== "linux")(
  "a missing compiler that cannot be installed fails with the command to type",
  async () => {
    using checkout = new Checkout();
    checkout.program("c++", null);
    const { code, stderr, calls } = await checkout.run("start.mjs");
    expect(code).toBe(1);
    expect(stderr).toContain("The addon cannot be built without a C and C++17 compiler, zlib's headers.");
    expect(stderr).toContain("apt-get install -y --no-install-recommends g++ zlib1g-dev");
    expect(configured(calls)).toBeNull();
  },
);

test.skipIf(process.platform !== "linux")("a CMake that is too old counts as missing", async () => {
  using checkout = new Checkout();
  checkout.program("cmake", "echo cmake version 3.19.8");
  expect((await checkout.run("start.mjs")).stderr).toContain("without CMake 3.20 or newer.");
});

test.skipIf(process.platform !== "linux")(
  "what apt can install is installed, after printing the command",
  async () => {
    using checkout = new Checkout();
    checkout.program("make", null);
    checkout.program(
      "sudo",
      'shift; [ "$1" = --preserve-env=DEBIAN_FRONTEND ] && shift; PATH=$bin:$PATH exec "$@"',
    );
    checkout.program("apt-get", 'case "$*" in install*make*) cp "$bin/cc" "$bin/make" ;; esac');
    const { code, stderr, calls } = await checkout.run("start.mjs");
    expect(stderr).toContain("System packages: make or ninja missing");
    expect(stderr).toMatch(/apt-get install -y -q --no-install-recommends make\n/);
    expect(calls).toContain("apt-get install -y -q --no-install-recommends make");
    expect(code).toBe(0);
  },
);

test.skipIf(process.platform !== "linux")(
  "missing FFmpeg libraries are a warning, and their arrival a reason to build",
  async () => {
    using checkout = new Checkout();
    checkout.program("pkg-config", "exit 1");
    const first = await checkout.run("start.mjs");
    expect(first.code).toBe(0);
    expect(first.stderr).toContain(
      "building with the built-in decoders, which read wav, mp3, flac and ogg-vorbis only",
    );
    expect(first.stderr).toContain("libavformat-dev");
    expect(first.stdout).toBe("serving src/main.ts serve\n");
    expect((await checkout.run("start.mjs")).stderr).toBe("");
    checkout.program("pkg-config", "echo 61.7.100");
    expect(configured((await checkout.run("start.mjs")).calls)).not.toBeNull();
  },
);

test("a failed build is not taken as done, and builds on where it stopped", async () => {
  using checkout = await ready();
  checkout.write("native/answer.cc", "// wrong\n");
  checkout.write("build-script", "echo 'native/answer.cc:1:1: error: no' >&2; touch build/answer.o; exit 1");
  expect((await checkout.run("start.mjs")).code).toBe(1);
  const again = await checkout.run("start.mjs");
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("native/answer.cc:1:1: error: no");
  expect(checkout.read("build/answer.o")).toBe("");
});

test("the compiler's own error and the log's path are shown (real compiler)", async () => {
  using checkout = new Checkout();
  for (const name of ["cc", "c++", "cmake", "make", "pkg-config"]) {
    checkout.program(name, `exec "${Bun.which(name)}" "$@"`);
  }
  checkout.program("bun", `[ "$1" = install ] && exit 0; exec "${process.execPath}" "$@"`);
  mkdirSync(join(checkout.root, "node_modules"));
  const modules = join(import.meta.dir, "..", "..", "node_modules");
  symlinkSync(join(modules, "cmake-js"), join(checkout.root, "node_modules", "cmake-js"));
  checkout.write(
    "CMakeLists.txt",
    "cmake_minimum_required(VERSION 3.20)\nproject(answer LANGUAGES CXX)\nadd_library(answer MODULE native/answer.cc)\n",
  );
  checkout.write("native/answer.cc", "int answer() { return undeclared_name; }\n");
  const { code, stderr } = await checkout.run("start.mjs");
  expect(code).toBe(1);
  expect(stderr).toMatch(/native\/answer\.cc:1:\d+: error: .*undeclared_name/);
  expect(stderr).toContain(`The whole log: ${join(checkout.root, ".cache", "build.log")}`);
  expect(checkout.read(".cache/build.log")).toContain("undeclared_name");
}, 30_000);
