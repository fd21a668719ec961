/** How a process that goes on until it is told to stop is told. */
import { constants } from "node:os";
import { exitCodes } from "./command.ts";
import { type Display, say } from "./terminal.ts";

const signals = ["SIGTERM", "SIGINT"] as const;

/** What a signal does to a program that does not listen to it, but for the listeners of "exit". */
export const exitAtOnce = (signal: NodeJS.Signals) => process.exit(128 + constants.signals[signal]);

/**
 * Until `stopOnSignal` there is nothing to be lost: both signals end the process. They would do so by themselves, but not with the
 * first process of a container, to which the kernel gives only signals that it listens to.
 */
export function exitOnSignal(): void {
  for (const signal of signals) process.on(signal, exitAtOnce);
}

/** Runs `stop` at the first SIGTERM or SIGINT; a second SIGINT ends the process at once. */
export function stopOnSignal(stop: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopping = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (stopping && signal === "SIGINT") process.exit(130);
      if (stopping) return;
      stopping = true;
      stop().then(resolve, reject);
    };
    for (const signal of signals) {
      process.on(signal, onSignal);
      process.off(signal, exitAtOnce);
    }
  });
}

/** Ends the program at Ctrl-C, with nothing of `display` left on the screen. Disposal ends that. */
export function endOnInterrupt(display: Display): Disposable {
  const end = () => {
    display.close();
    say("Interrupted");
    process.exit(exitCodes.interrupted);
  };
  process.once("SIGINT", end);
  return { [Symbol.dispose]: () => void process.off("SIGINT", end) };
}
