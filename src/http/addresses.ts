/** Where a request comes from, behind proxies too. */
import type { Server } from "bun";
import { holderOf, inRanges, parseAddress } from "../core/addresses.ts";

/** Bun's server; app.handle() has none. */
export type Sockets = Pick<Server<unknown>, "requestIP"> | null;

/**
 * Makes the function that gives the address of a request's client: the other end of the connection, or when that is a trusted
 * proxy, the last address in X-Forwarded-For that is none. What stands before that anyone may have written.
 */
export function createAddressOf(trusted: readonly string[]): (request: Request, server: Sockets) => string {
  const isTrusted = inRanges(trusted);
  return (request, server) => {
    let client = server?.requestIP(request)?.address ?? "";
    const hops = (request.headers.get("x-forwarded-for") ?? "").split(",");
    while (isTrusted(client)) {
      const hop = withoutPort(hops.pop()?.trim() ?? "");
      if (!parseAddress(hop)) break;
      client = hop;
    }
    return holderOf(client) ?? "unknown";
  };
}

/** Some proxies write `1.2.3.4:5678` and `[2001:db8::1]:5678`. */
function withoutPort(hop: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
}
