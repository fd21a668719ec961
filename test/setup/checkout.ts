/**
 * A small checkout with the real scripts, and a PATH on which nothing is but what a test puts there: shell scripts in the place
 * of compilers and package managers, which note that they were called. Node itself is real.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { told } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";

const source = join(import.meta.dir, "..", "..");
const node = Bun.which("node") ?? "node";
const pinned: string = JSON.parse(readFileSync(join(source, "package.json"), "utf8")).engines.bun;

export const bunScript = (version = pinned) => `
case "$1" in
  --version) echo ${version} ;;
  install) mkdir -p node_modules ;;
  --bun)
    if [ "$3" = build ]; then
      [ -f build-script ] && . ./build-script
      mkdir -p build/Release && echo addon > build/Release/whisper.node
    fi ;;
  src/main.ts)
    [ -f serve-script ] && . ./serve-script
    echo "serving $*" ;;
esac`;

/** What a build needs, all there. */
const complete: Record<string, string> = {
  bun: bunScript(),
  cc: "",
  "c++": "",
  cmake: "echo cmake version 3.25.1",
  make: "",
  "pkg-config": "echo 59.27.100",
};

const lock = `{
  "packages": {
    "nodejs-whisper": ["nodejs-whisper@0.3.1", "", {}, "sha512-a"],

    "elysia": ["elysia@1.4.30", "", {}, "sha512-b"],
  }
}
`;

export class Checkout implements Disposable {
  readonly #folder = temporaryFolder();
  readonly root = join(this.#folder.path, "checkout");
  readonly #bin = join(this.#folder.path, "bin");

  constructor() {
    mkdirSync(this.#bin);
    cpSync(join(source, "scripts"), join(this.root, "scripts"), { recursive: true });
    cpSync(join(source, "package.json"), join(this.root, "package.json"));
    mkdirSync(join(this.root, "src", "models"), { recursive: true });
    cpSync(join(source, "src", "models", "lock.mjs"), join(this.root, "src", "models", "lock.mjs"));
    this.write("bun.lock", lock);
    this.write("CMakeLists.txt", "");
    this.write("native/answer.cc", "int answer() { return 42; }\n");
    for (const [name, script] of Object.entries(complete)) this.program(name, script);
  }

  /** Puts a program on the PATH; null takes it away. */
  program(name: string, script: string | null): void {
    const path = join(this.#bin, name);
    if (script === null) {
      rmSync(path);
      return;
    }
    writeFileSync(
      path,
      `#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin\nbin=${this.#bin}\necho "${name} $*" >> ${this.#bin}/calls\n${script}\n`,
    );
    chmodSync(path, 0o755);
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.root, path, ".."), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), "utf8");
  }

  /** Starts a script of scripts/. */
  spawn(script: string, args: string[] = [], env: Record<string, string> = {}) {
    return Bun.spawn([node, join(this.root, "scripts", script), ...args], {
      env: { PATH: this.#bin, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** Runs one to its end. `calls`: what it called on the PATH, in order. */
  async run(script: string, args: string[] = [], env: Record<string, string> = {}) {
    rmSync(join(this.#bin, "calls"), { force: true });
    return { ...(await told(this.spawn(script, args, env))), calls: this.calls() };
  }

  calls(): string[] {
    const path = join(this.#bin, "calls");
    return existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

/** What a child prints, while it runs. */
export class Output {
  readonly #reader;
  readonly #decoder = new TextDecoder();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Reads until the text has come; fails with what came instead when the output ends first. */
  async until(text: string): Promise<string> {
    let seen = "";
    while (!seen.includes(text)) {
      const { done, value } = await this.#reader.read();
      if (done) throw new Error(`Expected ${JSON.stringify(text)} but the output ended: ${seen}`);
      seen += this.#decoder.decode(value, { stream: true });
    }
    return seen;
  }

  /** Reads to the end. */
  async rest(): Promise<string> {
    let seen = "";
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return seen;
      seen += this.#decoder.decode(value, { stream: true });
    }
  }
}
