/** Who sends a request. */
import { bearerOf } from "./guard.ts";

/** Stable and no secret. */
export function callerOf(request: Request): { readonly id: string } {
  const key = bearerOf(request.headers.get("authorization"));
  if (key === undefined) return { id: "anyone" };
  return { id: `key:${new Bun.CryptoHasher("sha256").update(key).digest("hex").slice(0, 16)}` };
}
