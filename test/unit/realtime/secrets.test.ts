import { expect, test } from "bun:test";
import type { Caller } from "../../../src/core/caller.ts";
import { defaultConfig } from "../../../src/live/config.ts";
import { Secrets } from "../../../src/modules/realtime/secrets.ts";

const me: Caller = { id: "addr:me", scopes: ["transcribe"], limits: { requests: [], audio: [] } };

test("a secret ends with its time, and there are not endlessly many", () => {
  let nowMs = 0;
  const secrets = new Secrets(() => nowMs);
  const { value } = secrets.create(me, defaultConfig, 1000);
  expect(secrets.find(value)).toMatchObject({ caller: me, expiresAtMs: 1000 });
  expect(secrets.find(`${value}0`)).toBeUndefined();
  nowMs = 1000;
  expect(secrets.find(value)).toBeUndefined();
  for (let made = 0; made < 10_000; made += 1) secrets.create(me, defaultConfig, 1000);
  expect(() => secrets.create(me, defaultConfig, 1000)).toThrow("10000 client secrets");
  nowMs = 2000;
  expect(secrets.find(secrets.create(me, defaultConfig, 1000).value)).toBeDefined();
});
