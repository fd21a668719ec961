import { describe, expect, test } from "bun:test";
import OpenAI from "openai";
import OpenAI6 from "openai-6";
import { Webhook } from "standardwebhooks";
import { isSecret, newSecret, sign } from "../../../src/tasks/signature.ts";

const body = JSON.stringify({ id: "evt_1", text: "Grüße 👋" });
const id = "msg_1";
const nowSeconds = () => Math.floor(Date.now() / 1000);

function headersFor(secret: string, atSeconds = nowSeconds()) {
  return {
    "webhook-id": id,
    "webhook-timestamp": `${atSeconds}`,
    "webhook-signature": sign(secret, id, atSeconds, body),
  };
}

type Headers = ReturnType<typeof headersFor>;

/** Each accepts, or throws. */
const libraries: [string, (secret: string, headers: Headers, text: string) => unknown][] = [
  ["standardwebhooks", (secret, headers, text) => new Webhook(secret).verify(text, headers)],
  [
    "openai 7",
    (secret, headers, text) =>
      new OpenAI({ apiKey: "k", webhookSecret: secret }).webhooks.unwrap(text, headers),
  ],
  [
    "openai 6",
    (secret, headers, text) =>
      new OpenAI6({ apiKey: "k", webhookSecret: secret }).webhooks.unwrap(text, headers),
  ],
];

async function accepts(work: () => unknown): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}

test("a secret that was made is 32 bytes in standard base64 behind whsec_, another one each time", () => {
  const secrets = Array.from({ length: 100 }, newSecret);
  expect(new Set(secrets).size).toBe(100);
  for (const secret of secrets) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(Buffer.from(secret.slice(6), "base64")).toHaveLength(32);
  }
});

describe.each(libraries)("%s", (name, verify) => {
  test("accepts what is signed with a secret that was made", async () => {
    const secret = newSecret();
    expect(await verify(secret, headersFor(secret), body)).toMatchObject({ text: "Grüße 👋" });
  });

  test("accepts what is signed with a secret of its own that looks like base64", async () => {
    for (const secret of ["c2VjcmV0LW9mLW1pbmUtMTIzNDU2Nzg=", "abcd", "whsec_c2VjcmV0LW9mLW1pbmU="]) {
      expect([secret, await accepts(() => verify(secret, headersFor(secret), body))]).toEqual([secret, true]);
    }
  });

  test("refuses another body, another secret, another id, and another time", async () => {
    const secret = newSecret();
    const headers = headersFor(secret);
    const later = `${nowSeconds() + 1}`;
    for (const [theirs, sent, text] of [
      [secret, headers, `${body} `],
      [newSecret(), headers, body],
      [secret, { ...headers, "webhook-id": "msg_2" }, body],
      [secret, { ...headers, "webhook-timestamp": later }, body],
    ] as const) {
      expect(await accepts(() => verify(theirs, sent, text))).toBe(false);
    }
  });

  test("refuses what was signed six minutes ago", async () => {
    const secret = newSecret();
    expect(await accepts(() => verify(secret, headersFor(secret, nowSeconds() - 360), body))).toBe(false);
  });

  test("takes a secret that is no base64 as OpenAI's libraries do, or not at all", async () => {
    for (const secret of ["my secret", "pässwörd", "x"]) {
      const accepted = await accepts(() => verify(secret, headersFor(secret), body));
      expect([secret, accepted]).toEqual([secret, name !== "standardwebhooks"]);
    }
  });
});

test("standardwebhooks takes a secret that is no base64 in its raw format", () => {
  const secret = "my secret";
  new Webhook(secret, { format: "raw" }).verify(body, headersFor(secret));
});

test.each(["", "whsec_", "whsec_!!!", "whsec_="])("nothing can be signed with %j", (secret) => {
  expect(isSecret(secret)).toBe(false);
});
