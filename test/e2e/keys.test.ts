/** `whisper-api keys` beside a server that runs. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Told, told } from "../helpers/child.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { eventually, root, type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

async function keys(env: Record<string, string>, ...args: string[]): Promise<Told> {
  const child = Bun.spawn([process.execPath, "src/main.ts", "keys", ...args], {
    cwd: root,
    env: { PATH: Bun.env.PATH, LOG_FORMAT: "json", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  return told(child);
}

async function answer(server: Server, key?: string): Promise<[status: number, message: string]> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(`${server.url}/v1/models`, { headers });
  const body = (await response.json()) as { error?: { message: string } };
  return [response.status, body.error?.message ?? ""];
}

/** A key's life, from an open server to a revoked key. */
async function live(server: Server, env: Record<string, string>): Promise<void> {
  expect(await answer(server, "anything")).toEqual([200, ""]);

  const made = await keys(env, "create", "--name", "Ann", "--limits", "5/hour", "--expires", "30d");
  expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^sk-[\w-]{43}\n$/)]);
  const key = made.stdout.trim();
  await eventually(
    () => answer(server),
    ([status]) => status === 401,
  );
  expect(await answer(server, key)).toEqual([200, ""]);
  expect((await answer(server, "anything"))[0]).toBe(401);

  const table = (await keys(env, "list")).stdout.split("\n");
  expect(table[0]).toMatch(/^ID +NAME {2}KEY +SCOPES +LIMITS +CREATED +VALID UNTIL$/); // nothing has AUDIO
  expect(table[1]).toMatch(new RegExp(`Ann +\\.\\.\\.${key.slice(-4)} .* 5/hour .* \\d{4}-\\d\\d-\\d\\d$`));
  expect(Math.max(...table.map((line) => line.length))).toBeLessThanOrEqual(80);

  const listed = await keys(env, "list", "--json");
  expect(listed.stdout).not.toContain(key);
  expect(listed.stdout).not.toContain("digest");
  const [record] = JSON.parse(listed.stdout);
  expect(record).toMatchObject({
    name: "Ann",
    scopes: ["transcribe"],
    limits: "5/hour",
    hint: key.slice(-4),
  });
  expect(record.expiresAtMs - record.createdAtMs).toBe(30 * 86_400_000);

  expect((await keys(env, "revoke", record.id)).code).toBe(0);
  const [, message] = await eventually(
    () => answer(server, key),
    ([status]) => status === 401,
  );
  expect(message).toBe("The API key has been revoked");
  expect((await answer(server))[0]).toBe(401);
  expect((await keys(env, "list")).stdout).toMatch(/^ID .*\nkey_\w+ +Ann .* revoked\n$/);
  expect(JSON.stringify(server.log())).not.toContain(key);
}

test("a key that is made closes a server that was open, opens it to its holder, and is revoked", async () => {
  await using server = await startServer();
  await live(server, { DATA_DIR: server.dataDir });
});

describe.skipIf(redisServer === null)(
  `with Redis${redisServer === null ? " (skipped: needs redis-server)" : ""}`,
  () => {
    test("keys are made for all servers on it, from anywhere", async () => {
      await using redis = await startRedis("--appendfsync", "no");
      const env = { REDIS_URL: redis.url };
      await using server = await startServer({ env });
      await using other = await startServer({ env });
      await live(server, env);
      expect((await answer(other))[0]).toBe(401);
    });

    test("without it the command says so, and ends", async () => {
      const said = await keys({ REDIS_URL: "redis://127.0.0.1:1" }, "list");
      expect(said).toMatchObject({ code: 2, stdout: "" });
      expect(said.stderr).toContain("Redis does not answer: see REDIS_URL");
    });
  },
);

test.each([
  [["create"], "--name"],
  [["create", "--name", ""], "Expected 1 to 100 printable characters for --name"],
  [["create", "--name", "a\nb"], "Expected 1 to 100 printable characters for --name"],
  [["create", "--name", "a", "--scope", "root"], "Expected transcribe, admin or both for --scope"],
  [["create", "--name", "a", "--limits", "5"], "Expected off or limits"],
  [["create", "--name", "a", "--audio-limits", "5m"], "Expected off or limits"],
  [["create", "--name", "a", "--expires", "0d"], "Expected a time like"],
  [["create", "--name", "a", "--expires", "99999999w"], "Expected a time like"],
  [["create", "--nmae", "a"], "--name"],
])("%p makes no key and says what was expected", async (args, message) => {
  const said = await keys({ DATA_DIR: "/dev/null/none" }, ...args);
  expect(said).toMatchObject({ code: 2, stdout: "" });
  expect(said.stderr).toContain(message);
});
