/** The command line as people run it: a child process in a folder of its own, in pipes or in a terminal. */
import { join } from "node:path";
import { vadModel } from "../fixtures/index.ts";
import { type Told, told } from "../helpers/child.ts";
import { temporaryFolder } from "../helpers/folder.ts";
import { inTerminal, type TerminalRun } from "../helpers/terminal.ts";
import { root } from "./server.ts";

/** The program and its first argument. */
export const main = [process.execPath, join(root, "src/main.ts")];

type Env = Readonly<Record<string, string>>;

export class CommandLine implements Disposable {
  readonly #folder = temporaryFolder();

  /** Where commands run; removed with this. */
  get folder(): string {
    return this.#folder.path;
  }

  /** The whole environment of a command: the demo model, and nothing is fetched from anywhere. */
  env(more: Env = {}): Record<string, string> {
    return {
      PATH: Bun.env.PATH ?? "",
      HOME: this.folder,
      WHISPER_MODEL: "demo",
      VAD_MODEL: vadModel ?? "off",
      DATA_DIR: this.path("data"),
      MODELS_DIR: this.path("models"),
      THREADS: "1",
      MODELS_URL: "http://127.0.0.1:1",
      VAD_URL: "http://127.0.0.1:1",
      ...more,
    };
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** In pipes. */
  async run(args: string[], env: Env = {}, stdin?: Blob): Promise<Told> {
    const child = Bun.spawn([...main, ...args], {
      cwd: this.folder,
      env: this.env(env),
      stdin: stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    return told(child);
  }

  /** In a terminal of 80 columns. */
  terminal(args: string[], env: Env = {}): TerminalRun {
    return inTerminal([...main, ...args], { cwd: this.folder, env: this.env(env) });
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}
