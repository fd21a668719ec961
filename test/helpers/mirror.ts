export interface Mirror extends AsyncDisposable {
  readonly url: string;
  /** Resolves when something is asked for. */
  readonly asked: Promise<void>;
}

/** Gives so many bytes of a download that is said to have `length`, and then nothing more. */
export function stallingMirror(bytes: number, length: number): Mirror {
  const asked = Promise.withResolvers<void>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch() {
      asked.resolve();
      const body = new ReadableStream({ start: (stream) => stream.enqueue(new Uint8Array(bytes)) });
      return new Response(body, { headers: { "content-length": String(length) } });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    asked: asked.promise,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
