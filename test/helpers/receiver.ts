/** Receivers of requests: real servers on free ports of this machine. */
import { createServer, type Socket } from "node:net";

export interface Received {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly path: string;
}

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly received: readonly Received[];
}

/** Answers each request with what `answer` says to the number of it, from 0. `tls` makes it speak HTTPS. */
export function receiver(
  answer: (number: number, request: Request) => Response | Promise<Response> = () => new Response("ok"),
  tls?: { readonly key: string; readonly cert: string },
): Receiver {
  const received: Received[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    ...(tls ? { tls } : {}),
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const headers = Object.fromEntries(request.headers);
      received.push({ headers, path: pathname + search, body: await request.text() });
      return answer(received.length - 1, request);
    },
  });
  const { port = 0 } = server;
  return {
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    port,
    received,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

/** Gets a socket for each connection, and may write whatever it likes. */
export async function rawReceiver(onSocket: (socket: Socket) => void): Promise<Receiver> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.resume();
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    received: [],
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
