/** API keys that were made beside API_KEY. Only digests are stored: a key is shown once, when it is made. */
import type { Scope } from "../core/caller.ts";

export interface StoredKey {
  /** `key_...`; names it in lists. */
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the key, lower-case hex. */
  readonly digest: string;
  /** Its last four characters, for people. */
  readonly hint: string;
  readonly scopes: readonly Scope[];
  /** As RATE_LIMITS and RATE_LIMITS_AUDIO are written; null: the server's. */
  readonly limits: string | null;
  readonly audioLimits: string | null;
  readonly createdAtMs: number;
  /** null: never. */
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

export interface Keys {
  create(key: StoredKey): Promise<void>;
  /** By time of creation. */
  list(): Promise<readonly StoredKey[]>;
  /** false: there is no such key. Revoking again changes nothing. */
  revoke(id: string, atMs: number): Promise<boolean>;
  /** Revoked and expired ones too: the caller judges. */
  find(digest: string): Promise<StoredKey | null>;
  /** Whether any was ever made: then the server is not open, even without API_KEY. */
  isEmpty(): Promise<boolean>;
}
