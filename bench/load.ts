/** As many answers as a server can give: clients with a connection each that ask again at once. */
import { connect } from "node:net";

export interface Load {
  readonly url: string;
  readonly recording: Uint8Array;
  readonly fields: Readonly<Record<string, string>>;
  readonly clients: number;
  readonly forMs: number;
}

/** Answers per second. The request is written once, so that clients cost little. Throws for an answer other than 200. */
export async function answersPerSecond({ url, recording, fields, clients, forMs }: Load): Promise<number> {
  const { hostname, port, pathname } = new URL(url);
  const request = await requestBytes(pathname, recording, fields);
  const started = performance.now();
  let answers = 0;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      const socket = connect({ host: hostname, port: Number(port) });
      const received = replies(socket);
      while (performance.now() - started < forMs) {
        socket.write(request);
        const { value: status } = await received.next();
        if (status !== 200) throw new Error(`Expected status 200 but received ${status}`);
        answers += 1;
      }
      socket.destroy();
    }),
  );
  return answers / ((performance.now() - started) / 1000);
}

async function requestBytes(path: string, recording: Uint8Array, fields: Load["fields"]): Promise<Buffer> {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.set(key, value);
  form.set("file", new File([recording as Uint8Array<ArrayBuffer>], "speech.wav"));
  const response = new Response(form);
  // asked first: when the body has been read it is gone
  const contentType = response.headers.get("content-type");
  const body = Buffer.from(await response.arrayBuffer());
  const head = [
    `POST ${path} HTTP/1.1`,
    "Host: localhost",
    `Content-Type: ${contentType}`,
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}

/** The status of each reply, when all of it is there. */
async function* replies(socket: AsyncIterable<Buffer>): AsyncGenerator<number> {
  let text = "";
  for await (const chunk of socket) {
    text += chunk.toString("latin1");
    const headEnds = text.indexOf("\r\n\r\n");
    const [, bytes = "0"] = /\r\ncontent-length: (\d+)/i.exec(text) ?? [];
    if (headEnds < 0 || text.length < headEnds + 4 + Number(bytes)) continue;
    yield Number(text.slice(9, 12));
    text = "";
  }
}
