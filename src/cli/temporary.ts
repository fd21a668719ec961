/** A file that lives as long as a command needs it. */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitAtOnce } from "./signals.ts";

/** A terminal that is closed, and `kill`: without a listener nobody would clean up. */
const signals = ["SIGHUP", "SIGTERM"] as const;

export interface TemporaryPath extends Disposable {
  readonly path: string;
}

/** A path that nobody else has. What is there is removed with disposal, and with the process, however it is ended but by SIGKILL. */
export function temporaryPath(label: string): TemporaryPath {
  const path = join(tmpdir(), `whisper-api-${label}-${randomUUID()}`);
  const remove = () => rmSync(path, { force: true });
  process.on("exit", remove);
  for (const signal of signals) process.on(signal, exitAtOnce);
  return {
    path,
    [Symbol.dispose]() {
      remove();
      process.off("exit", remove);
      for (const signal of signals) process.off(signal, exitAtOnce);
    },
  };
}
