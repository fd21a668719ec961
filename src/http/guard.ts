/** Who calls, and what he may. */
import { timingSafeEqual } from "node:crypto";
import { inRanges } from "../core/addresses.ts";
import { type Caller, type CallerLimits, type Scope, scopes } from "../core/caller.ts";
import { AppError } from "../core/errors.ts";
import { audioLimits, requestLimits } from "../core/limits.ts";
import type { Keys, StoredKey } from "../store/keys.ts";
import type { Sockets } from "./addresses.ts";

/** The key of an Authorization header; undefined when there is none. */
export const bearerOf = (authorization: string | null): string | undefined =>
  /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];

/** Gives the caller. Throws invalid_api_key, or StoreUnavailable when nobody can say whether the key is one. */
export type Guard = (authorization: string | null, address: string) => Promise<Caller>;

/** The same for a request. `authorization`: in place of its header. */
export type Identify = (request: Request, server: Sockets, authorization?: string | null) => Promise<Caller>;

export interface GuardOptions {
  /** API_KEY. */
  readonly apiKeys: readonly string[];
  readonly keys: Pick<Keys, "find" | "isEmpty">;
  /** For callers without limits of their own. */
  readonly limits: CallerLimits;
  /** Milliseconds of any steady clock; and Unix milliseconds. */
  readonly now?: () => number;
  readonly unixMs?: () => number;
}

/** What the store said is taken as said for so long: a revoked key may work on until then. */
const freshMs = 2000;
/** Keys that are remembered: they work on while the store is away. */
const maxRemembered = 10_000;

/**
 * Makes the check of an Authorization header: the keys of API_KEY, then the stored ones. Without any key at all everyone may call,
 * whatever he sends (SDKs always send some key), and is known by his address; who is on the same machine may do everything. A store that is away never opens the server: what it
 * has said last holds, and where it has said nothing the check throws StoreUnavailable.
 */
export function createGuard(options: GuardOptions): Guard {
  const { apiKeys, keys, limits, now = performance.now.bind(performance), unixMs = Date.now } = options;
  const digests = apiKeys.map(digestOf);
  const remembered = new Remembered<StoredKey>(now);
  const openness = new Remembered<true>(now);
  let isClosed = digests.length > 0;

  /** Once there is a key it stays closed, also when that is revoked. */
  const isOpen = async () => {
    isClosed ||= (await openness.get("", async () => ((await keys.isEmpty()) ? true : null))) === null;
    return !isClosed;
  };

  return async (authorization, address) => {
    if (await isOpen()) {
      return { id: `addr:${address}`, scopes: isLocal(address) ? scopes : ["transcribe"], limits };
    }
    const key = bearerOf(authorization);
    // the same time for every wrong key: all are compared
    const digest = digestOf(key ?? "");
    let isConfigured = false;
    for (const expected of digests) isConfigured = timingSafeEqual(expected, digest) || isConfigured;
    if (isConfigured) return { id: idOf(digest), scopes, limits };
    if (key === undefined) {
      throw new AppError(
        "invalid_api_key",
        "You didn't provide an API key. Send it in an Authorization header: Authorization: Bearer YOUR_KEY",
      );
    }
    const hex = digest.toString("hex");
    const stored = await remembered.get(hex, () => keys.find(hex));
    if (!stored) throw new AppError("invalid_api_key", `Incorrect API key provided: ${mask(key)}`);
    // only who has the key learns this
    if (stored.revokedAtMs !== null) throw new AppError("invalid_api_key", "The API key has been revoked");
    if (stored.expiresAtMs !== null && stored.expiresAtMs <= unixMs()) {
      throw new AppError("invalid_api_key", "The API key has expired");
    }
    return { id: idOf(digest), scopes: stored.scopes, limits: limitsOf(stored, limits) };
  };
}

/** What the store has said, by name; nothing is not remembered: wrong keys would fill the memory. */
class Remembered<T> {
  private readonly values = new Map<string, { readonly value: T; readonly askedAt: number }>();

  constructor(private readonly now: () => number) {}

  /** Asks again when that is some time ago; when it cannot be asked, what it said before holds. Throws what `ask` throws. */
  async get(name: string, ask: () => Promise<T | null>): Promise<T | null> {
    const known = this.values.get(name);
    if (known && this.now() - known.askedAt < freshMs) return known.value;
    try {
      const value = await ask();
      this.values.delete(name);
      if (value !== null) this.values.set(name, { value, askedAt: this.now() });
      if (this.values.size > maxRemembered) this.values.delete(this.values.keys().next().value ?? "");
      return value;
    } catch (error) {
      if (known) return known.value;
      throw error;
    }
  }
}

const isLocal = inRanges(["loopback"]);

const digestOf = (key: string) => new Bun.CryptoHasher("sha256").update(key).digest();
const idOf = (digest: Buffer) => `key:${digest.toString("hex", 0, 8)}`;

const limitsOf = (key: StoredKey, server: CallerLimits): CallerLimits => ({
  requests: (key.limits === null ? null : requestLimits.parse(key.limits)) ?? server.requests,
  audio: (key.audioLimits === null ? null : audioLimits.parse(key.audioLimits)) ?? server.audio,
});

/** Enough to tell two keys apart, too little to use. */
function mask(key: string): string {
  return key.length < 16 ? "***" : `${key.slice(0, 3)}***${key.slice(-3)}`;
}

const callers = new WeakMap<Request, Caller>();

export const setCaller = (request: Request, caller: Caller): void => void callers.set(request, caller);

/** For the log; undefined: the guard has not let it in. */
export const callerIdOf = (request: Request): string | undefined => callers.get(request)?.id;

/** Who sent a request that the guard has let in. */
export function callerOf(request: Request): Caller {
  const caller = callers.get(request);
  if (!caller) throw new Error("Expected a request that the guard has seen");
  return caller;
}

/**
 * Throws insufficient_scope unless the request's caller may do that. Without keys any page that someone here looks at could ask in his
 * name: then what `admin` may do is not for pages of elsewhere.
 */
export function requireScope(request: Request, scope: Scope): void {
  const { id, scopes } = callerOf(request);
  const isOfPage = id.startsWith("addr:") && isForeign(request);
  const isHis = scopes.includes(scope) || scopes.includes("admin");
  if (isHis && !(scope === "admin" && isOfPage)) return;
  throw new AppError("insufficient_scope", `Expected a key with the scope ${scope}`);
}

/** Whether a page of another origin sends it. */
function isForeign(request: Request): boolean {
  const origin = request.headers.get("origin");
  return origin !== null && URL.parse(origin)?.host !== request.headers.get("host")?.toLowerCase();
}
