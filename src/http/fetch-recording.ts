/** `url` instead of `file`: a recording that the server fetches itself, from where it may. */
import { AppError } from "../core/errors.ts";
import type { Outbound, OutboundReply } from "../net/outbound.ts";
import { Pace } from "./pace.ts";
import { Recording, tooLarge, type UploadedFile, type UploadLimits } from "./recording.ts";

const maxRedirects = 3;
const redirects: readonly number[] = [301, 302, 303, 307, 308];

/** Disposal removes it. */
export interface FetchedFile extends UploadedFile, AsyncDisposable {}

/**
 * Streams what is at `url` to the upload directory, under the limits of an upload. Throws invalid_value for an URL that is not fetched,
 * request_too_large, url_not_fetched with the reason, or what `signal` says.
 */
export async function fetchRecording(
  url: string,
  outbound: Outbound,
  limits: UploadLimits,
  signal: AbortSignal,
): Promise<FetchedFile> {
  await using owned = new AsyncDisposableStack();
  const ended = new AbortController();
  owned.defer(() => ended.abort());
  const pace = new Pace(limits.stallTimeoutMs, () => notFetched("It did not come in time"));
  const both = AbortSignal.any([signal, ended.signal]);
  try {
    const reply = await pace.next(follow(url, outbound, both));
    owned.use(reply);
    if (reply.status !== 200) throw notFetched(`Its server answered ${reply.status}`);
    if (Number(reply.headers["content-length"] ?? 0) > limits.maxFileBytes) throw tooLarge(limits, "url");
    const name = new URL(url).pathname.split("/").at(-1) ?? "";
    const recording = owned.use(new Recording(limits, "url"));
    for await (const piece of paced(reply, pace)) await recording.write(piece);
    const file = recording.end(name);
    reply[Symbol.dispose]();
    const kept = owned.move();
    return { ...file, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  } catch (error) {
    if (signal.aborted) throw AppError.cancelled(signal);
    throw error instanceof AppError ? error : notFetched(error instanceof Error ? error.message : "", error);
  }
}

/** The answer at the end of the redirects; each hop is checked like the first. */
async function follow(url: string, outbound: Outbound, signal: AbortSignal): Promise<OutboundReply> {
  let at = url;
  for (let hop = 0; hop <= maxRedirects; hop += 1) {
    const reply = await outbound.request({
      ...{ method: "GET", url: at, signal },
      headers: { "accept-encoding": "identity", "user-agent": "whisper-api" },
    });
    const { location } = reply.headers;
    if (!redirects.includes(reply.status) || typeof location !== "string") return reply;
    reply[Symbol.dispose]();
    if (!URL.canParse(location, at)) throw notFetched("It redirects to something that is no URL");
    at = new URL(location, at).href;
  }
  throw notFetched(`It redirects more than ${maxRedirects} times`);
}

async function* paced({ body }: OutboundReply, pace: Pace): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await pace.next(chunks.next());
    if (done) return;
    pace.received += value.length;
    yield value;
  }
}

const notFetched = (reason: string, cause?: unknown) =>
  new AppError("url_not_fetched", `The recording at url could not be fetched: ${reason}`, {
    param: "url",
    cause,
  });
