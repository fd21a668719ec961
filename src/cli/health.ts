/** `whisper-api health`: asks a running server how it is, for supervisors and for images that have no other HTTP client. */
import { loadConfig } from "../config/load.ts";
import { type Define, exitCodes, Failure, integerOption } from "./command.ts";
import { printResult } from "./terminal.ts";

export const define: Define = (command) => {
  command
    .option("--url <url>", "The server (default: the one that HOST and PORT are set for).")
    .option("--ready", "Ask whether it would take a request, too.")
    .option("--timeout <seconds>", "Time that it has to answer.", "5")
    .action(check);
};

interface Given {
  readonly url?: string;
  readonly ready?: true;
  readonly timeout: string;
}

/** What /health and /ready say, as far as it matters here. Another program's answer may hold anything. */
interface Answer {
  readonly status?: unknown;
  readonly version?: unknown;
  readonly model?: unknown;
  readonly store?: unknown;
}

/** Prints a sentence. Throws Failure (1) with one when the server does not answer or takes no work. */
async function check({ url: given, ready, timeout }: Given): Promise<void> {
  const seconds = integerOption("--timeout", timeout, 1, 3600);
  const url = given === undefined ? ownUrl() : checkUrl(given);
  const { status, answer } = await ask(`${url}/${ready ? "ready" : "health"}`, seconds);
  const said = typeof answer.status === "string" ? answer.status : null;
  if (status === 503 && ready && said !== null) throw new Failure(`${url} takes no work: it is ${said}.`);
  if (status !== 200 || said === null)
    throw new Failure(`${url} answers ${status}, but not as whisper-api does.`);
  const sentence = ready
    ? `${url} takes work: it is ${said}, its store ${answer.store}.`
    : `${url} runs: whisper-api ${answer.version} with the model ${answer.model}.`;
  await printResult(`${sentence}\n`);
}

async function ask(url: string, seconds: number): Promise<{ status: number; answer: Answer }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(seconds * 1000), redirect: "manual" });
    const body: unknown = await response.json().catch((error: Error) => {
      if (error.name === "TimeoutError") throw error;
      return null;
    });
    return { status: response.status, answer: typeof body === "object" && body !== null ? body : {} };
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    const { origin } = new URL(url);
    if (name === "TimeoutError") throw new Failure(`${origin} does not answer within ${seconds} s.`);
    throw new Failure(`${origin} cannot be reached: ${code ?? message}.`);
  }
}

/** Where a server with these settings listens, seen from here. */
function ownUrl(): string {
  const { host, port } = loadConfig().config;
  const anywhere: Record<string, string> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };
  return `http://${anywhere[host] ?? (host.includes(":") ? `[${host}]` : host)}:${port}`;
}

function checkUrl(given: string): string {
  if (/^https?:\/\//i.test(given) && URL.canParse(given)) return given.replace(/\/+$/, "");
  throw new Failure(
    `Expected the address of a server for --url but received ${JSON.stringify(given)}`,
    exitCodes.misuse,
  );
}
