import { expect, test } from "bun:test";
import { AppError } from "../../src/core/errors.ts";
import { createGuard } from "../../src/http/guard.ts";
import { form, testServer } from "../helpers/server.ts";

function refusal(
  guard: (authorization: string | null) => void,
  authorization: string | null,
): AppError | null {
  try {
    guard(authorization);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

test("without keys everyone may call, whatever key they send", () => {
  const guard = createGuard([]);
  for (const header of [null, "", "Bearer ", "Bearer dummy", "Basic xyz"])
    expect(refusal(guard, header)).toBeNull();
});

test("each of several keys opens the door", () => {
  const guard = createGuard(["first", "second"]);
  for (const header of ["Bearer first", "Bearer second", "bearer  second "])
    expect(refusal(guard, header)).toBeNull();
});

test("anything but a key is refused", () => {
  const guard = createGuard(["first", "second"]);
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
    expect([header, refusal(guard, header)?.code]).toEqual([header, "invalid_api_key"]);
  }
});

test("a wrong key is shown so short that it cannot be used", () => {
  const guard = createGuard(["right"]);
  expect(refusal(guard, "Bearer sk-1234567890abcdef")?.message).toEndWith("sk-***def");
  expect(refusal(guard, "Bearer short-key")?.message).toEndWith(": ***");
});

test("every /v1 route needs the key, before its body is read, and no other route does", async () => {
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
    const expected = path.startsWith("/v1/") ? 401 : path.startsWith("/ui/") ? 404 : 200;
    expect([path, status]).toEqual([path, expected]);
    expect(headers.get("www-authenticate")).toBe(expected === 401 ? "Bearer" : null);
  }
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
