/** Requests to the server, whose refusals become sentences. URLs are relative: the page may live under any prefix. */
import { forPeople } from "../../../core/file-formats.ts";
import { EventReader } from "./event-reader.ts";
import { apiKey } from "./settings.ts";
import type { StreamEvent, WireError } from "./wire.ts";

export const unreachable =
  "The server does not answer. Check that it is running and that you are connected, then try again.";
export const brokenOff = "The connection to the server broke off before the end. Try again.";

/** Something that a person is to read. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  constructor(
    message: string,
    /** 0: there was no answer. */
    readonly status = 0,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

/** The sentence that says why `error` happened. */
export const sentenceOf = (error: unknown): string =>
  error instanceof Error && error.message !== "" ? error.message : "Something went wrong in this page.";

const headers = (): Record<string, string> =>
  apiKey.value === "" ? {} : { authorization: `Bearer ${apiKey.value}` };

/** The refusal that a body says; proxies before the server answer in words of their own. */
function refusal(status: number, body: string): Refusal {
  try {
    const { error } = JSON.parse(body) as { error: WireError };
    if (typeof error.message === "string") {
      const message = forPeople(error.message);
      return new Refusal(/[.!?]$/.test(message) ? message : `${message}.`, status, error.code ?? null);
    }
  } catch {
    // not the server's
  }
  return new Refusal(`The server answered with the status ${status} and no explanation.`, status);
}

/** Throws Refusal, or the signal's reason. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { ...headers(), ...init.headers } });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Refusal(unreachable);
  }
  if (!response.ok) throw refusal(response.status, await response.text());
  return response;
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await request(path, signal ? { signal } : {})).json()) as T;
}

export async function postJson<T>(path: string, body: object): Promise<T> {
  const init = { method: "POST", body: JSON.stringify(body) };
  return (await (
    await request(path, { ...init, headers: { "content-type": "application/json" } })
  ).json()) as T;
}

/** Reads a stream of events to its end. Throws Refusal, also when it breaks off. */
export async function listen(path: string, onEvent: (event: StreamEvent) => void, signal: AbortSignal) {
  const response = await request(path, { signal });
  const reader = new EventReader((event) => onEvent(event as StreamEvent));
  const text = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done = true, value = "" } = (await text?.read()) ?? {};
      if (done) break;
      reader.push(value);
    }
  } catch (error) {
    if (signal.aborted || error instanceof Refusal) throw error;
    throw new Refusal(brokenOff);
  }
  if (!reader.isDone) throw new Refusal(brokenOff);
}

interface Upload {
  readonly path: string;
  readonly form: FormData;
  readonly signal: AbortSignal;
  /** 0..1 of the body has been sent. */
  readonly onSent: (part: number) => void;
  readonly onEvent: (event: StreamEvent) => void;
}

/**
 * Sends a form and reads the events of its answer while they come; resolves with the body. By XMLHttpRequest: fetch does not
 * tell how much of a body has been sent. Throws Refusal, or the signal's reason.
 */
export function upload({ path, form, signal, onSent, onEvent }: Upload): Promise<string> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const reader = new EventReader((event) => onEvent(event as StreamEvent));
    let seen = 0;
    const isStream = () => xhr.getResponseHeader("content-type")?.startsWith("text/event-stream") ?? false;
    const read = () => {
      if (!isStream()) return;
      const text = xhr.responseText;
      const piece = text.slice(seen);
      seen = text.length;
      try {
        reader.push(piece);
      } catch (error) {
        reject(error);
        xhr.abort();
      }
    };
    xhr.upload.onprogress = ({ loaded, total }) => onSent(total > 0 ? loaded / total : 0);
    xhr.upload.onload = () => onSent(1);
    xhr.onprogress = read;
    xhr.onload = () => {
      if (xhr.status >= 400) return reject(refusal(xhr.status, xhr.responseText));
      read();
      if (isStream() && !reader.isDone) return reject(new Refusal(brokenOff));
      resolve(xhr.responseText);
    };
    xhr.onerror = () => reject(new Refusal(seen > 0 ? brokenOff : unreachable));
    const abort = () => {
      xhr.abort();
      reject(signal.reason);
    };
    signal.addEventListener("abort", abort, { once: true });
    xhr.onloadend = () => signal.removeEventListener("abort", abort);
    xhr.open("POST", path);
    for (const [name, value] of Object.entries(headers())) xhr.setRequestHeader(name, value);
    xhr.send(form);
  });
}
