/** A real Redis for one test: a process of its own on a free port, which can be stopped and started again. */
import type { Subprocess } from "bun";
import { temporaryFolder } from "./folder.ts";

/** Path of the program; null: it is not installed. */
export const redisServer = Bun.which("redis-server");

export interface TestRedis extends AsyncDisposable {
  readonly url: string;
  /** Ends it without warning; what was written is on the disk. */
  kill(): Promise<void>;
  /** Stops it where it is: it takes connections and commands, and answers nothing. */
  pause(): void;
  resume(): void;
  /** On the same port, with the same data. */
  start(): Promise<void>;
}

/** Resolves when it answers. `args` go to redis-server. Disposal ends it and removes its data. */
export async function startRedis(...args: string[]): Promise<TestRedis> {
  const folder = temporaryFolder();
  let child: Subprocess | null = null;
  let port = 0;

  const launch = async (): Promise<boolean> => {
    child = Bun.spawn(
      [
        ...[
          redisServer ?? "redis-server",
          "--port",
          String(port),
          "--bind",
          "127.0.0.1",
          "--dir",
          folder.path,
        ],
        ...["--appendonly", "yes", "--appendfsync", "always", "--save", "", ...args],
      ],
      { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    );
    while (child.exitCode === null) {
      if (await answers(port)) return true;
      await Bun.sleep(10);
    }
    return false;
  };
  const kill = async () => {
    child?.kill("SIGKILL");
    await child?.exited;
  };

  // Another process may take the port between the question and the start.
  do {
    port = freePort();
  } while (!(await launch()));

  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    pause: () => void child?.kill("SIGSTOP"),
    resume: () => void child?.kill("SIGCONT"),
    async start() {
      if (!(await launch())) throw new Error("Redis did not start again");
    },
    async [Symbol.asyncDispose]() {
      await kill();
      folder[Symbol.dispose]();
    },
  };
}

/** Free a moment ago. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Whether it takes commands: PING is refused while it still loads its data. One that wants a password says so. */
async function answers(port: number): Promise<boolean> {
  const answer = Promise.withResolvers<boolean>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      open: (open) => void open.write("PING\r\n"),
      data: (_, bytes) => answer.resolve(/^(\+PONG|-NOAUTH)/.test(bytes.toString())),
      close: () => answer.resolve(false),
      error: () => answer.resolve(false),
    },
  }).catch(() => null);
  if (!socket) return false;
  const is = await answer.promise;
  socket.end();
  return is;
}
