/** Who may call. */
import { timingSafeEqual } from "node:crypto";
import { AppError } from "../core/errors.ts";

/** The key of an Authorization header; undefined when there is none. */
export const bearerOf = (authorization: string | null): string | undefined =>
  /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];

/**
 * Makes the check of an Authorization header against `apiKeys`. No keys: everyone may, whatever they send (SDKs always send some
 * key). Throws invalid_api_key. Takes the same time for every wrong key: digests are compared, with all of them.
 */
export function createGuard(apiKeys: readonly string[]): (authorization: string | null) => void {
  const digests = apiKeys.map(digest);
  return (authorization) => {
    if (digests.length === 0) return;
    const key = bearerOf(authorization);
    if (key === undefined) {
      throw new AppError(
        "invalid_api_key",
        "You didn't provide an API key. Send it in an Authorization header: Authorization: Bearer YOUR_KEY",
      );
    }
    const given = digest(key);
    let known = false;
    for (const expected of digests) known = timingSafeEqual(expected, given) || known;
    if (!known) throw new AppError("invalid_api_key", `Incorrect API key provided: ${mask(key)}`);
  };
}

const digest = (key: string) => new Bun.CryptoHasher("sha256").update(key).digest();

/** Enough to tell two keys apart, too little to use. */
function mask(key: string): string {
  return key.length < 16 ? "***" : `${key.slice(0, 3)}***${key.slice(-3)}`;
}
