/**
 * What a command is: one file `src/cli/<name>.ts` that exports `define`, and one line in the table of main.ts with its summary.
 * The file is loaded only when its command is meant, so it may import what it needs; but `define` itself must do no work.
 *
 *     export const define: Define = (command) => {
 *       command
 *         .argument("<file...>", "Recordings.")
 *         .option("-o, --output <path>", "File or folder to write to.")
 *         .action(async (files, { output }) => { ... });
 *     };
 *
 * Commands of commands (`models list`) are `command.command("list").description(...).action(...)`. Help and completions come from
 * these definitions alone. stdout carries results, stderr everything else. An action that returns has succeeded (exit code 0);
 * what a person can mend is thrown as a Failure: its message, a sentence, is all that is shown.
 */
import type { Argument, Command, Option } from "commander";

/** Adds arguments, options and the action to a command that has its name and summary. */
export type Define = (command: Command) => void;

/** How the program ends. */
export const exitCodes = {
  /** Something that was asked for could not be done: a file, a download, a check. */
  failed: 1,
  /** What was asked for makes no sense, or nothing could begin: arguments, settings, the model, the port. */
  misuse: 2,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

/** What a person can mend. `message` is shown as it is: what was expected and what to do. */
export class Failure extends Error {
  override readonly name = "Failure";

  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failed,
  ) {
    super(message);
  }
}

const suggestions = new WeakMap<Option | Argument, readonly string[]>();

/** Values to be completed in a shell, where others are allowed too (`choices` allows no others). Returns `owner`. */
export function suggest<T extends Option | Argument>(owner: T, values: readonly string[]): T {
  suggestions.set(owner, values);
  return owner;
}

export const suggestionsOf = (owner: Option | Argument): readonly string[] | undefined =>
  suggestions.get(owner);

/** The number that an option was given as text. Throws Failure when it is no integer from `min` to `max`. */
export function integerOption(name: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw new Failure(
    `Expected an integer from ${min} to ${max} for ${name} but received ${JSON.stringify(text)}`,
    exitCodes.misuse,
  );
}

/** Listens there for a moment. Throws what listening throws. */
export function tryPort(hostname: string, port: number): void {
  Bun.serve({ hostname, port, reusePort: false, fetch: () => new Response() }).stop(true);
}

/** What `listen` returns. Throws a Failure that says which setting names the port when somebody else has it. */
export function onPort<T>(setting: string, port: number, listen: () => T): T {
  try {
    return listen();
  } catch (error) {
    if ((error as Error & { code?: string }).code !== "EADDRINUSE") throw error;
    throw new Failure(`Port ${port} is in use: set ${setting} to another one.`, exitCodes.misuse);
  }
}
