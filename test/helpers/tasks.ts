/** A client of the tasks of a server in this process. */
import { expect } from "bun:test";
import { form, jsonOf, type TestServer } from "./server.ts";

export const transcriptions = "/v1/audio/transcriptions";

export interface TaskBody {
  readonly id: string;
  readonly status: string;
  readonly progress: number;
  readonly segments: readonly { readonly id: number; readonly text: string }[];
  readonly total: number;
  readonly has_more: boolean;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export type Fields = Parameters<typeof form>[0];

export async function submit(
  server: TestServer,
  fields: Fields = {},
  path = transcriptions,
  recording?: string,
): Promise<TaskBody> {
  const response = await server.fetch(path, form({ async: "true", ...fields }, recording));
  expect(response.status).toBe(202);
  return jsonOf<TaskBody>(response);
}

export const at = ({ id }: { id: string }, more = "") => `${transcriptions}/${id}${more}`;
export const get = async (server: TestServer, task: { id: string }, query = "") =>
  jsonOf<TaskBody>(await server.fetch(at(task, query)));

/** The payloads of a task's events, to the end. */
export async function events(server: TestServer, task: { id: string }, query = ""): Promise<Payload[]> {
  return payloads(await (await server.fetch(at(task, `/events${query}`))).text());
}

export interface Payload {
  readonly type?: string;
  readonly sequence: number;
  readonly status?: string;
  readonly delta?: string;
  readonly text?: string;
}

export function payloads(text: string): Payload[] {
  const lines = text.split("\r\n\r\n").filter((line) => line.startsWith("data: "));
  expect(lines.pop()).toBe("data: [DONE]");
  return lines.map((line) => JSON.parse(line.slice("data: ".length)));
}

export async function ended(server: TestServer, task: { id: string }): Promise<TaskBody> {
  await events(server, task);
  return get(server, task);
}

/** Recordings go a moment after the end is told. */
export async function noBlobs(server: TestServer): Promise<void> {
  while ((await server.blobs()).length > 0) await Bun.sleep(1);
}
