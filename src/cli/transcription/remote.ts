/** Has a server transcribe, over HTTP. */
import { EventSourceParserStream } from "eventsource-parser/stream";
import { exitCodes, Failure } from "../command.ts";
import type { Payload, Transcriber, TranscriptionJob } from "./transcriber.ts";

export interface ServerAddress {
  /** Without /v1 and without a slash at the end. */
  readonly url: string;
  readonly key: string | undefined;
}

/** Reads --host: "host:port" means http, an address of the API's base is understood. Throws Failure. */
export function serverAddress(host: string, key: string | undefined): ServerAddress {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(host) ? host : `http://${host}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new Failure(
      `Expected the address of a server for --host but received ${JSON.stringify(host)}`,
      exitCodes.misuse,
    );
  }
  return { url: `${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}`, key };
}

export const authorization = ({ key }: ServerAddress): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key}` };

export function openRemote(server: ServerAddress): Transcriber {
  return {
    async *transcribe(job) {
      const response = await post(server, job);
      if (!response.ok) throw await refusal(response);
      if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
        throw new Failure(`${server.url} does not stream transcripts: is it whisper-api?`);
      }
      let isWhole = false;
      for await (const payload of events(response.body)) {
        isWhole ||= payload.type === "transcript.text.done";
        yield payload;
      }
      if (!isWhole) throw new Failure("The answer broke off before the end of the transcript");
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function post(server: ServerAddress, job: TranscriptionJob): Promise<Response> {
  const form = new FormData();
  for (const [name, texts] of job.fields) {
    const field = texts.length > 1 ? `${name}[]` : name;
    for (const text of texts) form.append(field, text);
  }
  form.append("stream", "true");
  form.append("file", Bun.file(job.path), job.name);
  const path = job.isTranslation ? "translations" : "transcriptions";
  try {
    return await fetch(`${server.url}/v1/audio/${path}`, {
      method: "POST",
      body: form,
      headers: authorization(server),
      signal: job.signal,
      // Bun's own, of five minutes: a queue may be longer
      timeout: false,
    } as RequestInit);
  } catch (error) {
    job.signal.throwIfAborted();
    const { code, message } = error as Error & { code?: string };
    throw new Failure(`${server.url} cannot be reached: ${code ?? message}`);
  }
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<Payload> {
  const messages = body
    .pipeThrough(new TextDecoderStream() as never)
    .pipeThrough(new EventSourceParserStream()) as unknown as AsyncIterable<{ data: string }>;
  for await (const { data } of messages) {
    if (data === "[DONE]") return;
    const payload = parse(data);
    if (payload.error) throw new Failure(payload.error.message ?? "The server failed");
    yield payload;
  }
}

function parse(data: string): Payload & { readonly error?: { readonly message?: string } } {
  try {
    return JSON.parse(data);
  } catch {
    throw new Failure("The server sent something that is no transcript");
  }
}

/** What an answer that is none says, in a sentence. */
async function refusal(response: Response): Promise<Failure> {
  const text = await response.text();
  let message = text.slice(0, 200).trim();
  try {
    message = (JSON.parse(text) as { error: { message: string } }).error.message;
  } catch {
    // not one of ours: what it wrote will do
  }
  const hint = response.status === 401 ? " Give a key with --api-key, or in API_KEY." : "";
  return new Failure(
    `${message || `The server answered ${response.status}`}${message.endsWith(".") || hint === "" ? "" : "."}${hint}`,
  );
}
