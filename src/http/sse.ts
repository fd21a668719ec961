/**
 * Server-sent events as OpenAI writes them: `data:` lines that end with CRLF, `[DONE]` last. Never `event:`, `id:` or `retry:`:
 * the official Python client crashes on them. Comments keep idle connections alive.
 */
const keepAliveMs = 15_000;

export interface EventStreamOptions {
  /** Payloads, one event each. Read at the client's pace. */
  readonly events: AsyncIterable<object>;
  /** The payload that tells of a failure: the status can no longer change. */
  readonly failed: (error: unknown) => object;
  /** Called when the client goes away before the end. */
  readonly abandoned: () => void;
  /** Called whenever the client has read what was sent. */
  readonly pulled?: () => void;
  readonly keepAliveMs?: number;
  /** Beside those of every stream. */
  readonly headers?: Readonly<Record<string, string>>;
}

export function eventStream(options: EventStreamOptions): Response {
  const iterator = options.events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const data = (text: string) => encoder.encode(`data: ${text}\r\n\r\n`);
  let next: Promise<IteratorResult<object>> | null = null;

  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      options.pulled?.();
      try {
        next ??= iterator.next();
        const result = await within(next, options.keepAliveMs ?? keepAliveMs);
        if (result === null) return controller.enqueue(encoder.encode(": ping\r\n\r\n"));
        next = null;
        if (!result.done) return controller.enqueue(data(JSON.stringify(result.value)));
        controller.enqueue(data("[DONE]"));
      } catch (error) {
        controller.enqueue(data(JSON.stringify(options.failed(error))));
      }
      controller.close();
    },
    cancel() {
      options.abandoned();
      next?.catch(() => {}); // nobody is left to be told
      iterator.return?.().catch(() => {});
    },
  });
  return new Response(body, {
    headers: {
      ...options.headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
    },
  });
}

/** null when `promise` has not settled in time; it goes on. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
