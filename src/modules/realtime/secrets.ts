/** Client secrets: keys for browsers, which live for minutes and carry a session's settings. Kept in memory only. */
import type { Caller } from "../../core/caller.ts";
import { AppError } from "../../core/errors.ts";
import type { SessionConfig } from "../../live/config.ts";

export interface Secret {
  /** Who asked for it: its sessions count as his. */
  readonly caller: Caller;
  readonly config: SessionConfig;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
}

const maxSecrets = 10_000;

export class Secrets {
  /** By digest: looking one up takes the same time for all that are wrong. */
  private readonly byDigest = new Map<string, Secret>();

  constructor(private readonly now: () => number = Date.now) {}

  /** Makes one; the value is known to its receiver only. Throws rate_limit_exceeded when there are too many. */
  create(caller: Caller, config: SessionConfig, lifetimeMs: number): { value: string; secret: Secret } {
    if (this.byDigest.size >= maxSecrets) this.removeExpired();
    if (this.byDigest.size >= maxSecrets) {
      throw new AppError("rate_limit_exceeded", `There are ${maxSecrets} client secrets already`, {
        retryAfterSeconds: 60,
      });
    }
    const value = `ek_${crypto.getRandomValues(Buffer.alloc(24)).toString("hex")}`;
    const secret = { caller, config, expiresAtMs: this.now() + lifetimeMs };
    this.byDigest.set(digest(value), secret);
    return { value, secret };
  }

  /** undefined: there is none, or it has expired. */
  find(value: string): Secret | undefined {
    const secret = this.byDigest.get(digest(value));
    return secret && secret.expiresAtMs > this.now() ? secret : undefined;
  }

  private removeExpired(): void {
    for (const [key, { expiresAtMs }] of this.byDigest) {
      if (expiresAtMs <= this.now()) this.byDigest.delete(key);
    }
  }
}

const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
