/** Logs for tests. */
import type { LogFields, Logger } from "../../src/log.ts";

export interface LogLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields;
}

/** Keeps what is logged, and tells of it. */
export function recordingLog(tell: (line: LogLine) => void = () => {}): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLine["level"]) =>
    (message: string, fields: LogFields = {}) => {
      const line = { level, message, fields };
      lines.push(line);
      tell(line);
    };
  return { lines, log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } };
}

const drop = () => {};
export const silentLog: Logger = { debug: drop, info: drop, warn: drop, error: drop };
