/** One request of the OpenAI API, to either server. Throws when the answer is not 200 or has no text. */

export interface TranscriptionRequest {
  /** Where the endpoint is. */
  readonly url: string;
  /** Path of the recording. */
  readonly recording: string;
  /** Fields of the form beside `file`. */
  readonly fields: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const limitMs = 3_600_000;

/** The written text. */
export async function transcribe(request: TranscriptionRequest): Promise<string> {
  return textOf(await (await post(request)).json());
}

/** The same, streamed: `firstMs` is when the first text came, from the request on. */
export async function stream(request: TranscriptionRequest): Promise<{ text: string; firstMs: number }> {
  const started = performance.now();
  const response = await post({ ...request, fields: { ...request.fields, stream: "true" } });
  const decoder = new TextDecoder();
  let firstMs: number | undefined;
  let received = "";
  for await (const chunk of response.body ?? []) {
    received += decoder.decode(chunk, { stream: true });
    if (firstMs === undefined && /"transcript\.text\.delta".*\r?\n/.test(received))
      firstMs = performance.now() - started;
  }
  const done = /^data: (\{.*"transcript\.text\.done".*\})\r?$/m.exec(received)?.[1];
  if (done === undefined)
    throw new Error(`Expected transcript.text.done but received ${received.slice(-500)}`);
  // A recording without speech may have no delta.
  return { text: textOf(JSON.parse(done)), firstMs: firstMs ?? performance.now() - started };
}

async function post({ url, recording, fields, signal }: TranscriptionRequest): Promise<Response> {
  const form = new FormData();
  for (const [key, value] of Object.entries(fields)) form.set(key, value);
  form.set("file", Bun.file(recording));
  const limit = AbortSignal.timeout(limitMs);
  const response = await fetch(url, {
    method: "POST",
    body: form,
    // whisper-server closes idle connections without a word; every text is to be computed
    headers: { connection: "close", "cache-control": "no-store" },
    timeout: false, // Bun's own ends a quiet request after five minutes
    signal: signal ? AbortSignal.any([signal, limit]) : limit,
  });
  if (response.ok) return response;
  throw new Error(`Expected status 200 but received ${response.status}: ${await response.text()}`);
}

function textOf(body: unknown): string {
  if (typeof body === "object" && body !== null && "text" in body && typeof body.text === "string")
    return body.text;
  throw new Error(`Expected a body with a text but received ${JSON.stringify(body).slice(0, 500)}`);
}
