import { expect, test } from "bun:test";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { acquireLock } from "../../src/models/lock.mjs";
import { bunScript, Checkout, Output } from "./checkout.ts";

/** Does what npm does for us: puts the package's binary under the prefix. */
const npm = `
while [ "$1" != --prefix ]; do shift; done
prefix=$2
for package; do :; done
folder=$prefix/node_modules/\${package%@*}/bin
mkdir -p "$folder"
printf '%s' '#!/bin/sh
PATH=/usr/bin:/bin
${bunScript()}' > "$folder/bun"
chmod +x "$folder/bun"`;

test("a fresh checkout is set up and then serves, with the arguments handed on", async () => {
  using checkout = new Checkout();
  const { stdout, stderr, code, calls } = await checkout.run("start.mjs", ["--port", "0"]);
  expect(stdout).toBe("serving src/main.ts serve --port 0\n");
  expect(code).toBe(0);
  expect(stderr).toContain("Dependencies: installing what bun.lock pins");
  expect(stderr).toContain("Building the addon");
  expect(calls).toContain("bun install --frozen-lockfile --no-summary");
});

test("the command line is set up in the same way, and gets its arguments", async () => {
  using checkout = new Checkout();
  const { stdout, code } = await checkout.run("whisper-api.mjs", ["transcribe", "a.mp3", "-f", "srt"]);
  expect(stdout).toBe("serving src/main.ts transcribe a.mp3 -f srt\n");
  expect(code).toBe(0);
});

test("a second start runs neither package managers nor compilers, and says nothing", async () => {
  using checkout = new Checkout();
  await checkout.run("start.mjs");
  const { stderr, calls } = await checkout.run("start.mjs");
  expect(stderr).toBe("");
  expect(calls).toEqual([
    "bun --version",
    "pkg-config --modversion libavformat libavcodec libavutil libswresample",
    "bun src/main.ts serve",
  ]);
});

test("a Bun of another version on PATH is not taken: the pinned one is installed locally, once", async () => {
  using checkout = new Checkout();
  checkout.program("bun", bunScript("1.0.0"));
  checkout.program("npm", npm);
  const first = await checkout.run("start.mjs");
  expect(first.stdout).toBe("serving src/main.ts serve\n");
  const installed = first.calls.filter((call) => call.startsWith("npm "));
  expect(installed).toHaveLength(1);
  expect(installed[0]).toMatch(/--ignore-scripts .*@oven\/bun-\S+@\d+\.\d+\.\d+$/);
  expect(first.calls).not.toContain("bun src/main.ts serve");
  const second = await checkout.run("start.mjs");
  expect(second.calls.join("\n")).not.toContain("npm");
  expect(second.stdout).toBe("serving src/main.ts serve\n");
});

test("a registry that cannot be reached ends the start with a sentence", async () => {
  using checkout = new Checkout();
  checkout.program("bun", null);
  checkout.program("npm", "echo ENOTFOUND >&2; exit 1");
  const { code, stderr } = await checkout.run("start.mjs");
  expect(code).toBe(1);
  expect(stderr).toContain("could not be installed from the npm registry");
  expect(stderr).not.toContain("    at ");
});

test("dependencies that cannot be installed end the start, and the next one tries again", async () => {
  using checkout = new Checkout();
  checkout.program("bun", bunScript().replace("install)", "install) exit 1;"));
  expect((await checkout.run("start.mjs")).code).toBe(1);
  checkout.program("bun", bunScript());
  expect((await checkout.run("start.mjs")).calls).toContain("bun install --frozen-lockfile --no-summary");
});

test("a start waits while another process sets up, and then finds the work done", async () => {
  using checkout = new Checkout();
  await checkout.run("start.mjs");
  checkout.write("native/answer.cc", "int answer() { return 43; }\n");
  const release = await acquireLock(join(checkout.root, ".cache", "setup.lock"));
  const child = checkout.spawn("start.mjs");
  await new Output(child.stderr).until(`Waiting for process ${process.pid}`);
  checkout.write("native/answer.cc", "int answer() { return 42; }\n");
  release();
  expect(await new Response(child.stdout).text()).toBe("serving src/main.ts serve\n");
  expect(checkout.calls().filter((call) => call.includes("cmake-js"))).toHaveLength(2);
});

test("two starts of a fresh checkout do not build into each other", async () => {
  using checkout = new Checkout();
  checkout.write("build-script", "mkdir building || exit 9; echo half; rmdir building");
  const both = await Promise.all([checkout.run("start.mjs"), checkout.run("start.mjs")]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
});

test("the server's exit code becomes the command's", async () => {
  using checkout = new Checkout();
  checkout.write("serve-script", "exit 3");
  expect((await checkout.run("start.mjs")).code).toBe(3);
});

const server = `exec "${process.execPath}" -e '
for (const signal of ["SIGTERM", "SIGINT"])
  process.on(signal, () => { console.log("stopping"); process.exitCode = 0; clearInterval(timer); });
const timer = setInterval(() => {}, 1000);
console.log("up");'`;

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} reaches the server once, however often it comes, and the exit code is 0`, async () => {
    using checkout = new Checkout();
    checkout.write("serve-script", server);
    const child = checkout.spawn("start.mjs");
    const output = new Output(child.stdout);
    await output.until("up\n");
    child.kill(signal);
    child.kill(signal);
    expect(await output.rest()).toBe("stopping\n");
    expect(await child.exited).toBe(0);
  });
}

test("a build that is stopped takes its compilers along, and is done again by the next start", async () => {
  using checkout = new Checkout();
  checkout.write(
    "build-script",
    "echo $$ > compiler-pid; echo '[ 1%] started'; echo '[ 10%] more'; exec sleep 1000",
  );
  const child = checkout.spawn("start.mjs");
  await new Output(child.stderr).until("10 %");
  const pid = Number(checkout.read("compiler-pid"));
  child.kill("SIGTERM");
  expect(await child.exited).toBe(143);
  expect(() => process.kill(pid, 0)).toThrow();
  expect(existsSync(join(checkout.root, ".cache", "setup.lock"))).toBe(false);

  checkout.write("build-script", "");
  mkdirSync(join(checkout.root, "build", "Release"), { recursive: true });
  checkout.write("build/Release/whisper.node", "half");
  const { calls } = await checkout.run("start.mjs");
  expect(calls.filter((call) => call.includes("cmake-js build"))).toHaveLength(1);
});
