/** Requests to a server that is watched while it works. */
import { recording } from "../fixtures/index.ts";
import { eventually, type Server } from "./server.ts";

interface Options {
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
  readonly key?: string;
}

/** Posts a recording, decoded as fast as can be, in a run of its own. */
export function post(
  server: Server,
  name = "en-digits.wav",
  { stream = false, signal, key }: Options = {},
): Promise<Response> {
  const body = new FormData();
  body.append("beam_size", "1");
  body.append("language", "en");
  body.append("stream", String(stream));
  body.append("file", Bun.file(recording(name).path));
  return fetch(`${server.url}/v1/audio/transcriptions`, {
    method: "POST",
    body,
    // a run of its own
    headers: {
      "cache-control": "no-store",
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    ...(signal ? { signal } : {}),
  });
}

export const textOf = async (response: Response) => ((await response.json()) as { text?: string }).text;

interface Ready {
  readonly status: string;
  readonly store: string;
  readonly running: number;
  readonly queued: number;
}

export const ready = async (server: Server) => (await (await fetch(`${server.url}/ready`)).json()) as Ready;

/** Resolves when work has been admitted. */
export const running = (server: Server) =>
  eventually(
    () => ready(server),
    (found) => found.running > 0,
  );

/** Resolves when none is left. */
export const idle = (server: Server) =>
  eventually(
    () => ready(server),
    (found) => found.running + found.queued === 0,
  );
