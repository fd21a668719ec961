/** Signatures of webhooks, as in Standard Webhooks 1.0: https://www.standardwebhooks.com */
import { createHmac } from "node:crypto";

const prefix = "whsec_";
const secretBytes = 32;

/** A new secret in the form that all libraries read: standard base64 behind `whsec_`. */
export const newSecret = (): string =>
  prefix + Buffer.from(crypto.getRandomValues(new Uint8Array(secretBytes))).toString("base64");

/**
 * What a secret stands for. Behind `whsec_` it is base64. Without, libraries disagree: OpenAI's take its bytes as they are, those of
 * Standard Webhooks decode it all the same, if they can. We sign for both.
 */
function keysOf(secret: string): Buffer[] {
  if (secret.startsWith(prefix)) return [Buffer.from(secret.slice(prefix.length), "base64")];
  const raw = Buffer.from(secret);
  const decoded = Buffer.from(secret, "base64");
  return decoded.toString("base64") === secret ? [raw, decoded] : [raw];
}

/** Whether anything can be signed with it. */
export const isSecret = (text: string): boolean => keysOf(text).every((key) => key.length > 0);

/** The header `webhook-signature` for these very bytes, sent at that time (Unix seconds) under that id. */
export function sign(secret: string, id: string, atSeconds: number, body: string): string {
  return keysOf(secret)
    .map((key) => `v1,${createHmac("sha256", key).update(`${id}.${atSeconds}.${body}`).digest("base64")}`)
    .join(" ");
}
