import { describe, expect, test } from "bun:test";
import type { Caller } from "../../src/core/caller.ts";
import { AppError } from "../../src/core/errors.ts";
import { callerOf, createGuard, type Guard, requireScope, setCaller } from "../../src/http/guard.ts";
import type { StoredKey } from "../../src/store/keys.ts";
import { type Store, StoreUnavailable } from "../../src/store/store.ts";
import { errorOf, form, testServer } from "../helpers/server.ts";
import { memoryStore } from "../helpers/stores.ts";

const minute = { name: "minute", capacity: 10, windowMs: 60_000 };
const limits = { requests: [minute], audio: [] };
const address = "203.0.113.7";
const digestOf = (key: string) => new Bun.CryptoHasher("sha256").update(key).digest("hex");

const stored = (key: string, more: Partial<StoredKey> = {}): StoredKey => ({
  ...{ id: `key_${key}`, name: key, digest: digestOf(key), hint: key.slice(-4), scopes: ["transcribe"] },
  ...{ limits: null, audioLimits: null, createdAtMs: 0, expiresAtMs: null, revokedAtMs: null },
  ...more,
});

/** A guard over stored keys whose store can go away, and whose time is the test's. */
async function testGuard(apiKeys: readonly string[], keys: readonly StoredKey[] = []) {
  const store = memoryStore().keys;
  for (const key of keys) await store.create(key);
  const state = { asked: 0, isAway: false, nowMs: 0 };
  const ask = <T>(answer: Promise<T>): Promise<T> => {
    state.asked += 1;
    return state.isAway ? Promise.reject(new StoreUnavailable(new Error("away"))) : answer;
  };
  const guard = createGuard({
    apiKeys,
    limits,
    keys: { find: (digest) => ask(store.find(digest)), isEmpty: () => ask(store.isEmpty()) },
    now: () => state.nowMs,
    unixMs: () => state.nowMs,
  });
  return { guard, store, state, pass: (ms: number) => (state.nowMs += ms) };
}

async function refusal(guard: Guard, authorization: string | null): Promise<AppError | null> {
  try {
    await guard(authorization, address);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

describe("the guard", () => {
  test("without keys lets everyone in, whatever key they send, by their address", async () => {
    const { guard } = await testGuard([]);
    for (const header of [null, "", "Bearer ", "Bearer dummy", "Basic xyz"]) {
      const caller = await guard(header, address);
      expect(caller).toEqual({ id: "addr:203.0.113.7", scopes: ["transcribe", "admin"], limits });
    }
  });

  test("opens to each of several keys, and tells them apart without showing them", async () => {
    const { guard } = await testGuard(["first", "second"]);
    for (const header of ["Bearer first", "Bearer second", "bearer  second "])
      expect(await refusal(guard, header)).toBeNull();
    const [first, second, again] = await Promise.all(
      ["first", "second", "first"].map((key) => guard(`Bearer ${key}`, address)),
    );
    expect(first?.id).toMatch(/^key:[0-9a-f]{16}$/);
    expect(again).toEqual(first as NonNullable<typeof first>);
    expect(second?.id).not.toBe(first?.id);
    expect(JSON.stringify(first)).not.toContain("first");
  });

  test("refuses anything but a key", async () => {
    const { guard } = await testGuard(["first", "second"]);
    for (const header of [
      null,
      "",
      "Bearer",
      "Bearer ",
      "Bearer firs",
      "Bearer first2",
      "Bearer FIRST",
      "Bearer first second",
      "Basic first",
      "first",
    ]) {
      expect([header, (await refusal(guard, header))?.code]).toEqual([header, "invalid_api_key"]);
    }
  });

  test("shows a wrong key so short that it cannot be used", async () => {
    const { guard } = await testGuard(["right"]);
    expect((await refusal(guard, "Bearer sk-1234567890abcdef"))?.message).toEndWith("sk-***def");
    expect((await refusal(guard, "Bearer short-key"))?.message).toEndWith(": ***");
  });

  test("is closed as soon as there is a stored key, and opens to that one", async () => {
    const { guard } = await testGuard([], [stored("sk-ann", { scopes: ["transcribe", "admin"] })]);
    expect((await refusal(guard, null))?.code).toBe("invalid_api_key");
    expect((await refusal(guard, "Bearer dummy"))?.code).toBe("invalid_api_key");
    const caller = await guard("Bearer sk-ann", address);
    expect(caller).toMatchObject({ scopes: ["transcribe", "admin"], limits });
    expect(caller.id).toBe(`key:${digestOf("sk-ann").slice(0, 16)}`);
  });

  test("closes within seconds of the first key, and stays closed when that is revoked", async () => {
    const { guard, store, pass } = await testGuard([]);
    expect(await refusal(guard, null)).toBeNull();
    await store.create(stored("sk-ann"));
    await store.revoke("key_sk-ann", 0);
    pass(5000);
    expect((await refusal(guard, null))?.code).toBe("invalid_api_key");
    expect((await refusal(guard, "Bearer sk-ann"))?.message).toContain("revoked");
  });

  test("takes stored keys beside those of API_KEY", async () => {
    const { guard } = await testGuard(["right"], [stored("sk-ann")]);
    for (const key of ["right", "sk-ann"]) expect(await refusal(guard, `Bearer ${key}`)).toBeNull();
    expect((await refusal(guard, "Bearer dummy"))?.code).toBe("invalid_api_key");
  });

  test("gives a key its own limits, and the server's where it has none", async () => {
    const { guard } = await testGuard(
      [],
      [
        stored("sk-own", { limits: "5/hour", audioLimits: "1m/hour" }),
        stored("sk-free", { limits: "off" }),
        stored("sk-part", { audioLimits: "60s/minute" }),
      ],
    );
    const limitsOf = async (key: string) => (await guard(`Bearer ${key}`, address)).limits;
    expect(await limitsOf("sk-own")).toEqual({
      requests: [{ name: "hour", capacity: 5, windowMs: 3_600_000 }],
      audio: [{ name: "audio-hour", capacity: 60_000, windowMs: 3_600_000 }],
    });
    expect(await limitsOf("sk-free")).toEqual({ requests: [], audio: [] });
    expect(await limitsOf("sk-part")).toMatchObject({ requests: [minute], audio: [{ capacity: 60_000 }] });
  });

  test("refuses a key from the moment on that it expires", async () => {
    const { guard, pass } = await testGuard([], [stored("sk-ann", { expiresAtMs: 1000 })]);
    pass(999);
    expect(await refusal(guard, "Bearer sk-ann")).toBeNull();
    pass(1);
    expect((await refusal(guard, "Bearer sk-ann"))?.message).toContain("expired");
  });

  test("asks the store about a key once in some seconds, then sees that it was revoked", async () => {
    const { guard, store, state, pass } = await testGuard(["right"], [stored("sk-ann")]);
    for (let count = 0; count < 10; count += 1) await guard("Bearer sk-ann", address);
    await guard("Bearer right", address);
    expect(state.asked).toBe(1);
    await store.revoke("key_sk-ann", 0);
    pass(5000);
    expect((await refusal(guard, "Bearer sk-ann"))?.code).toBe("invalid_api_key");
  });

  test("knows keys on while the store is away, and does not guess about others", async () => {
    const { guard, state, pass } = await testGuard(["right"], [stored("sk-ann"), stored("sk-bob")]);
    await guard("Bearer sk-ann", address);
    state.isAway = true;
    pass(3_600_000);
    for (const key of ["sk-ann", "right"]) expect(await refusal(guard, `Bearer ${key}`)).toBeNull();
    for (const key of ["sk-bob", "dummy"])
      expect((await refusal(guard, `Bearer ${key}`))?.code).toBe("store_unavailable");
    expect((await refusal(guard, null))?.code).toBe("invalid_api_key");
    state.isAway = false;
    expect(await refusal(guard, "Bearer sk-bob")).toBeNull();
  });

  test("never opens because the store is away; one that is known to be without keys stays open", async () => {
    const unknown = await testGuard([]);
    unknown.state.isAway = true;
    for (const header of [null, "Bearer dummy"])
      expect((await refusal(unknown.guard, header))?.code).toBe("store_unavailable");

    const open = await testGuard([]);
    await open.guard(null, address);
    open.state.isAway = true;
    open.pass(3_600_000);
    expect(await refusal(open.guard, null)).toBeNull();

    const closed = await testGuard([], [stored("sk-ann")]);
    await refusal(closed.guard, null);
    closed.state.isAway = true;
    closed.pass(3_600_000);
    expect((await refusal(closed.guard, null))?.code).toBe("invalid_api_key");
    expect((await refusal(closed.guard, "Bearer dummy"))?.code).toBe("store_unavailable");
  });
});

test("what needs a scope is refused to callers without it, and admin has all", () => {
  const request = (...scopes: Caller["scopes"]) => {
    const made = new Request("http://localhost/");
    setCaller(made, { id: "key:1", scopes, limits });
    return made;
  };
  for (const scopes of [["admin"], ["transcribe", "admin"]] as const) {
    requireScope(request(...scopes), "admin");
    requireScope(request(...scopes), "transcribe");
  }
  requireScope(request("transcribe"), "transcribe");
  expect(() => requireScope(request("transcribe"), "admin")).toThrow("Expected a key with the scope admin");
  expect(() => callerOf(new Request("http://localhost/"))).toThrow("the guard has seen");
});

test("every /v1 route and /metrics need the key, before a body is read, and no other route does", async () => {
  await using server = await testServer({ config: { apiKeys: ["right"] } });
  const routes = server.app.routes.filter(({ method }) => method !== "OPTIONS");
  expect(routes.length).toBeGreaterThan(7);
  for (const { method, path } of routes) {
    const body = method === "POST" ? { body: "never read" } : {};
    const { status, headers } = await server.fetch(
      path.replace(":id", "whisper-1").replace(":file", "swagger-ui.css").replace("*", "a/b"),
      {
        method,
        ...body,
      },
    );
    // The page's files have names that nobody knows beforehand: it is enough that no key is asked for.
    const needsKey = path.startsWith("/v1/") || path === "/metrics";
    const expected = needsKey ? 401 : path.startsWith("/ui/") ? 404 : 200;
    expect([path, status]).toEqual([path, expected]);
    expect(headers.get("www-authenticate")).toBe(expected === 401 ? "Bearer" : null);
  }
});

test("a store that is away is told with a time to come back, not as a wrong key", async () => {
  const store = memoryStore();
  const find = () => Promise.reject(new StoreUnavailable(new Error("secret host")));
  await using server = await testServer({
    config: { apiKeys: ["right"] },
    store: { ...store, keys: { ...store.keys, find } as unknown as Store["keys"] },
  });
  const response = await server.fetch("/v1/models", { headers: { authorization: "Bearer other" } });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("5");
  expect(response.headers.get("x-should-retry")).toBe("true");
  const error = await errorOf(response);
  expect(error).toMatchObject({ code: "store_unavailable", type: "server_error" });
  expect(JSON.stringify(error)).not.toContain("secret host");
});

test("spellings of /v1 do not get around the key", async () => {
  await using server = await testServer({ config: { apiKeys: ["right"] } });
  for (const path of [
    "//v1/models",
    "/v1//models",
    "/V1/models",
    "/v1",
    "/x/../v1/models",
    "/%76%31/models",
    "/v1/models/",
  ]) {
    const response = await server.fetch(path);
    expect([path, [401, 404].includes(response.status)]).toEqual([path, true]);
  }
});

test("a refused upload never reaches the engine", async () => {
  await using server = await testServer({ config: { apiKeys: ["right"] } });
  const response = await server.fetch("/v1/audio/transcriptions", form());
  expect(response.status).toBe(401);
  expect(server.engine.requests).toEqual([]);
});

test("any page may call when all origins are allowed", async () => {
  await using server = await testServer();
  const response = await server.fetch("/v1/models", { headers: { origin: "https://app.example" } });
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
});

test("only the listed pages may call when there is a list", async () => {
  await using server = await testServer({ config: { allowedOrigins: ["https://app.example"] } });
  const allowed = async (origin: string) =>
    (await server.fetch("/v1/models", { headers: { origin } })).headers.get("access-control-allow-origin");
  expect(await allowed("https://app.example")).toBe("https://app.example");
  expect(await allowed("https://evil.example")).toBeNull();
  expect(await allowed("https://app.example.evil.example")).toBeNull();
  expect(await allowed("null")).toBeNull();
});

test("a preflight needs no key and permits what browsers' SDKs send", async () => {
  await using server = await testServer({ config: { apiKeys: ["right"] } });
  const response = await server.fetch("/v1/audio/transcriptions", {
    method: "OPTIONS",
    headers: {
      origin: "https://app.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,x-stainless-os",
    },
  });
  expect(response.status).toBe(204);
  expect(response.headers.get("access-control-allow-methods")).toContain("POST");
  expect(response.headers.get("access-control-allow-headers")).toBe("authorization,x-stainless-os");
});

test("a refusal can be read by the page that caused it", async () => {
  await using server = await testServer({ config: { apiKeys: ["right"] } });
  const response = await server.fetch("/v1/models", { headers: { origin: "https://app.example" } });
  expect(response.status).toBe(401);
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
});
