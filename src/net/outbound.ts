/**
 * Requests to URLs that clients name. They must not reach what only this server can reach: addresses are checked, and the connection
 * goes to the very address that was checked, whatever the name means a moment later.
 */
import { lookup } from "node:dns/promises";
import { request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import { AppError } from "../core/errors.ts";
import { isPublic } from "./addresses.ts";

const resolveMs = 5000;
const connectMs = 5000;
/** Of a name, as many addresses are tried. */
const maxAddresses = 4;
const maxUrlLength = 2048;
const maxHeaderBytes = 16 * 1024;

export interface OutboundOptions {
  /** For development: addresses are not checked. */
  readonly allowPrivate: boolean;
  /** Addresses of a name. Default: the system's. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
}

export interface OutboundRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends it at any point: while the name is looked up, while connecting, while the answer is read. */
  readonly signal: AbortSignal;
}

/** Disposal closes the connection, whether the body was read or not. */
export interface OutboundReply extends Disposable {
  readonly status: number;
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As sent, not decompressed. Throws when it breaks off. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Outbound {
  /**
   * Whether a request to it may be made now. `name` is what the client calls the URL. Throws invalid_value about it. A name that cannot be
   * looked up is not refused: its host may come yet.
   */
  check(url: string, name: string, signal?: AbortSignal): Promise<void>;
  /**
   * Resolves when the headers of the answer have come. Redirects are not followed. Throws what `check` does, an Error with a sentence that
   * the client may read, or the signal's reason.
   */
  request(request: OutboundRequest): Promise<OutboundReply>;
}

interface Target {
  readonly url: URL;
  /** Checked; at least one. */
  readonly addresses: readonly string[];
}

/** The way out of the server for all that clients name. */
export function openOutbound({ allowPrivate, resolve = systemResolve }: OutboundOptions): Outbound {
  async function locate(text: string, name: string, signal: AbortSignal): Promise<Target> {
    const url = parse(text, name);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const addresses = isIP(host) === 0 ? await within(resolveMs, signal, resolve(host)) : [host];
    if (addresses.length === 0) throw new Error("The host has no address");
    if (!allowPrivate && !addresses.every(isPublic))
      throw unfit(name, "a host with public addresses only", `${url.hostname.slice(0, 100)}`);
    return { url, addresses };
  }

  return {
    async check(text, name, signal = new AbortController().signal) {
      parse(text, name);
      await locate(text, name, signal).catch((error) => {
        if (error instanceof AppError) throw error;
      });
    },
    async request(request) {
      const { signal } = request;
      signal.throwIfAborted();
      try {
        const target = await locate(request.url, "url", signal);
        return await reach(target, request);
      } catch (error) {
        signal.throwIfAborted();
        throw error instanceof AppError ? error : new Error(sentence(error), { cause: error });
      }
    },
  };
}

/** The URL, if its form is one that we would ask. */
function parse(text: string, name: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || text.length > maxUrlLength || !/^https?:$/.test(url.protocol))
    throw unfit(name, `an http or https URL of at most ${maxUrlLength} characters`, "something else");
  if (url.username !== "" || url.password !== "")
    throw unfit(name, "a URL without user and password", "one with them");
  // Services that speak something else than HTTP listen below.
  const port = url.port === "" ? 443 : Number(url.port);
  if (port !== 80 && port !== 443 && port < 1024)
    throw unfit(name, "port 80, 443 or one from 1024 on", `${port}`);
  return url;
}

const unfit = (name: string, expected: string, received: string) =>
  new AppError("invalid_value", `Expected ${expected} for ${name} but received ${received}`, { param: name });

async function systemResolve(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/** What `work` gives, or a rejection when that takes too long or the signal fires; `work` itself goes on. */
async function within<T>(ms: number, signal: AbortSignal, work: Promise<T>): Promise<T> {
  const ended = Promise.withResolvers<never>();
  const onAbort = () => ended.reject(signal.reason);
  const timer = setTimeout(() => ended.reject(new Error("The host's name was not resolved in time")), ms);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, ended.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    work.catch(() => {});
  }
}

/** No byte of the request has left: another address may be tried. */
class NotConnected extends Error {}

async function reach({ url, addresses }: Target, request: OutboundRequest): Promise<OutboundReply> {
  let failure: unknown;
  for (const address of addresses.slice(0, maxAddresses)) {
    try {
      return await exchange(url, address, request);
    } catch (error) {
      if (!(error instanceof NotConnected)) throw error;
      failure = error.cause;
    }
  }
  throw failure;
}

function exchange(url: URL, address: string, request: OutboundRequest): Promise<OutboundReply> {
  const isTls = url.protocol === "https:";
  const options: RequestOptions & { servername?: string; rejectUnauthorized: boolean } = {
    method: request.method,
    // The address, not the name: nothing resolves it again. The name is what the certificate has to be for.
    host: address,
    port: url.port === "" ? (isTls ? 443 : 80) : url.port,
    path: url.pathname + url.search,
    headers: { host: url.host, ...request.headers },
    // Else a connection of another request, to another address, would do.
    agent: false,
    maxHeaderSize: maxHeaderBytes,
    rejectUnauthorized: true,
    ...(isTls && isIP(url.hostname.replace(/^\[|\]$/g, "")) === 0 ? { servername: url.hostname } : {}),
  };
  return new Promise((resolve, reject) => {
    let isConnected = false;
    let isAnswered = false;
    const sent = (isTls ? httpsRequest : httpRequest)(options);
    const settle = () => {
      clearTimeout(timer);
      request.signal.removeEventListener("abort", onAbort);
    };
    // What happens after the answer has begun, its reader is told.
    const fail = (error: unknown) => {
      if (isAnswered) return;
      settle();
      reject(isConnected ? error : new NotConnected("", { cause: error }));
      sent.destroy();
    };
    const onAbort = () => {
      isConnected = true; // no other address is to be tried
      fail(request.signal.reason);
    };
    const timer = setTimeout(() => fail(new Error("The connection was not made in time")), connectMs);
    request.signal.addEventListener("abort", onAbort, { once: true });
    if (request.signal.aborted) onAbort();
    sent.on("socket", (socket) =>
      socket.once("connect", () => {
        isConnected = true;
        clearTimeout(timer);
      }),
    );
    sent.on("error", fail);
    // Bun 1.4.5 tells neither an error nor a response when nobody listens for this.
    sent.on("upgrade", (_, socket) => {
      socket.destroy();
      fail(new Error("The answer was no answer to this request"));
    });
    sent.on("close", () => fail(new Error("The connection was closed")));
    sent.on("response", (response) => {
      isAnswered = true;
      settle();
      resolve(replyOf(response, () => sent.destroy(), request.signal));
    });
    sent.end(request.body);
  });
}

function replyOf(response: IncomingMessage, close: () => void, signal: AbortSignal): OutboundReply {
  const end = () => {
    response.on("error", () => {});
    response.destroy();
    close();
  };
  signal.addEventListener("abort", end, { once: true });
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: bodyOf(response, signal),
    [Symbol.dispose]() {
      signal.removeEventListener("abort", end);
      end();
    },
  };
}

async function* bodyOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* response as AsyncIterable<Uint8Array>;
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(sentence(error), { cause: error });
  }
  signal.throwIfAborted();
  if (!response.complete) throw new Error("The answer broke off");
}

/** What a client may know of a failure: not which address was asked. */
function sentence(error: unknown): string {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  if (/^(ENOTFOUND|EAI_|DNS_)/.test(code)) return "The host's name could not be resolved";
  if (code === "ECONNREFUSED") return "The connection was refused";
  if (/^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ETIMEDOUT)$/.test(code))
    return "The host could not be reached";
  if (/^(ECONNRESET|EPIPE)$/.test(code)) return "The connection was closed before an answer had come";
  if (code.startsWith("HPE_")) return "The answer was not HTTP, or its headers were too large";
  if (/CERT|TLS|SSL|DEPTH_ZERO|ISSUER|VERIFY/.test(code)) return `The certificate was refused (${code})`;
  return code === "" && message !== "" ? message : "The request failed";
}
