/** A program in a real pseudo-terminal, and what a person would see on its screen. */
import { Terminal as Screen } from "@xterm/headless";

export interface TerminalRun {
  /** What the screen shows now, without white space at the ends of lines and of the whole. Rows that were scrolled away come first. */
  text(): Promise<string>;
  /** Every byte that was written so far, as text. */
  readonly written: string;
  /** Resolves when the screen's text satisfies `accepted`; rejects with the text when the program ends without that. */
  shows(accepted: (text: string) => boolean): Promise<string>;
  /** Types: "\x03" is Ctrl-C. */
  type(keys: string): void;
  readonly exited: Promise<number>;
  /** Kills it; resolves when it is gone. */
  kill(): Promise<void>;
}

interface Place {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly columns?: number;
}

/** Starts `command` with stdin, stdout and stderr on a terminal of 24 lines. */
export function inTerminal(command: string[], { cwd, env, columns = 80 }: Place): TerminalRun {
  const screen = new Screen({ cols: columns, rows: 24, allowProposedApi: true, scrollback: 1000 });
  const waiting = new Set<() => void>();
  const decoder = new TextDecoder();
  let written = "";
  let ended = false;
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  const child = Bun.spawn(command, {
    cwd,
    env: { TERM: "xterm-256color", ...env },
    terminal: {
      cols: columns,
      rows: 24,
      data(_, bytes) {
        written += decoder.decode(bytes, { stream: true });
        screen.write(bytes.slice(), wake);
      },
    },
  });
  const exited = child.exited.then((code) => {
    ended = true;
    wake();
    return code;
  });
  const text = async () => {
    await new Promise<void>((resolve) => screen.write("", resolve));
    const { active } = screen.buffer;
    const lines = Array.from(
      { length: active.length },
      (_, row) => active.getLine(row)?.translateToString(true) ?? "",
    );
    return lines.join("\n").trimEnd();
  };
  return {
    text,
    exited,
    get written() {
      return written;
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    type: (keys) => void child.terminal?.write(keys),
    async shows(accepted) {
      for (;;) {
        const isLast = ended;
        const shown = await text();
        if (accepted(shown)) return shown;
        if (isLast) throw new Error(`The program ended with this on its screen:\n${shown}`);
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
  };
}
