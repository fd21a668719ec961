/** Requests that are to be refused, and what a refusal must look like. */
import { expect, test } from "bun:test";
import { recording } from "../fixtures/index.ts";
import { type Server, startServer } from "./server.ts";

export type Content = Blob | Uint8Array<ArrayBuffer> | string;

export const bytesOf = (name: string) => Bun.file(recording(name).path).bytes();
/** A recording that is as it should be. */
export const speech = await bytesOf("en-digits.wav");

/** Small limits, so that little has to be sent to pass them. */
export const maxFileSize = 2_000_000;
export const startStrictServer = () =>
  startServer({ env: { MAX_FILE_SIZE: String(maxFileSize), MAX_DURATION: "60s", UPLOAD_TIMEOUT: "1s" } });

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly text?: string;
    readonly error?: { message: string; type: string; param: string | null; code: string };
  };
}

export async function send(server: Server, init: RequestInit): Promise<Answer> {
  const response = await fetch(`${server.url}/v1/audio/transcriptions`, { method: "POST", ...init });
  expect(response.headers.get("content-type")).toStartWith("application/json");
  expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer["body"],
  };
}

/** A form with these parts; a string is a text field, all else a file; a list repeats the part. */
export function post(server: Server, parts: Record<string, Content | readonly Content[]>): Promise<Answer> {
  const body = new FormData();
  for (const [name, contents] of Object.entries(parts)) {
    for (const content of [contents].flat() as Content[]) {
      if (typeof content === "string") body.append(name, content);
      else body.append(name, content instanceof Blob ? content : new Blob([content]), "speech.wav");
    }
  }
  return send(server, { body });
}

export interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly message: string | RegExp;
}

export function expectRefusal({ status, body }: Answer, expected: Refusal): void {
  expect({ status, ...body }).toEqual({
    status: expected.status,
    error: {
      message:
        expected.message instanceof RegExp ? expect.stringMatching(expected.message) : expected.message,
      type: "invalid_request_error",
      param: expected.param,
      code: expected.code,
    },
  });
}

export const invalid = (param: string, message: string | RegExp): Refusal => ({
  status: 400,
  code: "invalid_value",
  param,
  message,
});

/** The last test of a file: after all those before, the server is as it was. */
export function itGoesOn(server: () => Server): void {
  test("after all that it still transcribes; nothing was left behind, and nothing went wrong inside", async () => {
    const { status, body } = await post(server(), { file: speech });
    expect({ status, text: body.text }).toEqual({ status: 200, text: "One two three four five." });
    expect(await server().leftovers()).toEqual([]);
    expect(
      server()
        .log()
        .filter(({ level }) => level === "error" || level === "raw"),
    ).toEqual([]);
  });
}
