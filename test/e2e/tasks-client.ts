/** A client of async tasks, as programs write them: it submits, asks, and takes what comes. */
import { recording } from "../fixtures/index.ts";

export interface TaskBody {
  readonly id: string;
  readonly status: string;
  readonly progress: number;
  readonly duration: number | null;
  readonly finished_at: number | null;
  readonly segments: readonly { readonly id: number; readonly start: number; readonly text: string }[];
  readonly total: number;
  readonly has_more: boolean;
  readonly error: { readonly code: string; readonly message: string } | null;
}

const path = "/v1/audio/transcriptions";
type Fields = Readonly<Record<string, string>>;

/** Decoded as fast as can be, unless the fields say otherwise. */
export async function send(url: string, name: string, fields: Fields = {}, audio = path): Promise<Response> {
  const body = new FormData();
  for (const [field, value] of Object.entries({ beam_size: "1", language: "en", ...fields }))
    body.append(field, value);
  body.append("file", Bun.file(recording(name).path));
  return fetch(url + audio, { method: "POST", body });
}

/** The task that a 202 promises. */
export async function submit(url: string, name: string, fields: Fields = {}): Promise<TaskBody> {
  const response = await send(url, name, { async: "true", ...fields });
  if (response.status !== 202)
    throw new Error(`Expected 202 but received ${response.status}: ${await response.text()}`);
  return (await response.json()) as TaskBody;
}

export async function find(url: string, id: string, query = "?page_size=1000"): Promise<TaskBody> {
  const response = await fetch(`${url}${path}/${id}${query}`);
  if (response.status !== 200)
    throw new Error(`Expected 200 but received ${response.status}: ${await response.text()}`);
  return (await response.json()) as TaskBody;
}

export const download = (url: string, id: string, format: string): Promise<Response> =>
  fetch(`${url}${path}/${id}?response_format=${format}`);

export const cancel = (url: string, id: string): Promise<Response> =>
  fetch(`${url}${path}/${id}`, { method: "DELETE" });

/** Payloads of a task's events as they come, without [DONE]. */
export async function* events(url: string, id: string, after = 0): AsyncGenerator<Record<string, unknown>> {
  const response = await fetch(`${url}${path}/${id}/events?after=${after}`);
  if (!response.ok || !response.body) throw new Error(`Expected a stream but received ${response.status}`);
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\r\n\r\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "data: [DONE]") return;
      if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length));
    }
  }
  throw new Error("The stream broke off");
}

/** Resolves when the task has ended. */
export async function ended(url: string, id: string): Promise<TaskBody> {
  for await (const _ of events(url, id));
  return find(url, id);
}
