import { describe, expect, test } from "bun:test";
import { Webhook } from "standardwebhooks";
import { type Receiver, receiver } from "../helpers/receiver.ts";
import { errorOf, form, jsonOf, type TestServer, testServer } from "../helpers/server.ts";

const route = "/v1/webhooks";
const keys = { apiKeys: ["right", "other"] };
const development = { config: { ...keys, webhookAllowPrivate: true }, workers: 1 };

interface Shown {
  readonly id: string;
  readonly signing_secret?: string;
  readonly [name: string]: unknown;
}

const send = (server: TestServer, method: string, path: string, body?: unknown, key = "right") =>
  server.fetch(path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });

const get = async <T = Shown>(server: TestServer, path: string, key?: string) =>
  jsonOf<T>(await send(server, "GET", path, undefined, key));

/** A task that the caller has made; done only where there are workers. */
async function submit(server: TestServer, fields: Record<string, string> = {}): Promise<string> {
  const init = { ...form({ async: "true", ...fields }), headers: { authorization: "Bearer right" } };
  const response = await server.fetch("/v1/audio/transcriptions", init);
  expect(response.status).toBe(202);
  return (await jsonOf<{ task_id: string }>(response)).task_id;
}

async function create(server: TestServer, body: object): Promise<Shown & { signing_secret: string }> {
  const response = await send(server, "POST", route, body);
  expect(response.status).toBe(200);
  return await jsonOf(response);
}

/** The test's own time limit ends the wait. */
async function arrived(target: Receiver, count = 1) {
  while (target.received.length < count) await Bun.sleep(5);
  return target.received.at(-1) as Receiver["received"][number];
}

const elsewhere = "https://8.8.8.8/hook?token=1";

describe("a webhook", () => {
  test("is shown with its secret when it is made, and without it from then on", async () => {
    await using server = await testServer({ config: keys });
    const task_id = await submit(server);
    const made = await create(server, { task_id, url: elsewhere });
    const { signing_secret, ...shown } = made;
    expect(signing_secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(shown).toEqual({
      id: expect.stringMatching(/^wh_[0-9a-f]{32}$/),
      ...{ object: "webhook", task_id, url: elsewhere, include_result: false, status: "enabled" },
      event_types: ["transcription.completed", "transcription.failed", "transcription.cancelled"],
      ...{ created_at: expect.any(Number), disabled_at: null },
      signing_secret_hint: `…${signing_secret.slice(-4)}`,
    });
    expect(await get(server, `${route}/${made.id}`)).toEqual(shown);
    expect(await get(server, route)).toMatchObject({ object: "list", data: [shown], has_more: false });
  });

  test("takes a secret of the client's own; of a short one nothing is shown", async () => {
    await using server = await testServer({ config: keys });
    const task_id = await submit(server);
    const made = await create(server, { task_id, url: elsewhere, secret: "mine", include_result: true });
    expect(made).toMatchObject({ signing_secret: "mine", signing_secret_hint: null, include_result: true });
  });

  test("is delivered when its task ends, wherever it was asked for", async () => {
    await using server = await testServer(development);
    await using target = receiver();
    const [webhook_url, webhook_secret] = [`${target.url}/a`, "whsec_c2VjcmV0LW9mLW1pbmU="];
    const task = await submit(server, { webhook_url, webhook_secret });
    const { body, headers, path } = await arrived(target);
    expect(path).toBe("/a");
    expect(new Webhook(webhook_secret).verify(body, { ...headers })).toMatchObject({
      type: "transcription.completed",
      data: { id: task, links: { task: `/v1/audio/transcriptions/${task}` } },
    });
    const after = await create(server, { task_id: task, url: `${target.url}/b`, include_result: true });
    const again = await arrived(target, 2);
    expect(new Webhook(after.signing_secret).verify(again.body, { ...again.headers })).toMatchObject({
      data: { id: task, result: { text: "Hello world." } },
    });
  });

  test("shows its deliveries, and is delivered again when asked", async () => {
    await using server = await testServer(development);
    await using target = receiver();
    const made = await create(server, { task_id: await submit(server), url: target.url });
    await arrived(target);
    const response = await send(server, "POST", `${route}/${made.id}/redeliver`);
    expect(response.status).toBe(202);
    const again = await jsonOf<Shown>(response);
    expect(again).toMatchObject({ object: "webhook.delivery", webhook_id: made.id, status: "pending" });
    await arrived(target, 2);
    expect(target.received[1]?.headers["webhook-id"]).toBe(again.id);

    type Deliveries = { readonly data: readonly Shown[] };
    const path = `${route}/${made.id}/deliveries`;
    let { data } = await get<Deliveries>(server, path);
    while (data.some(({ status }) => status === "pending")) ({ data } = await get<Deliveries>(server, path));
    expect(data).toHaveLength(2);
    expect(data[0]).toEqual({
      ...{ id: again.id, object: "webhook.delivery", webhook_id: made.id },
      ...{ event: "transcription.completed", status: "delivered", next_attempt_at: null },
      created_at: expect.any(Number),
      attempts: [
        { attempted_at: expect.any(Number), duration_ms: expect.any(Number), http_status: 200, error: null },
      ],
    });
  });

  test("is gone when it was removed, and when its task was", async () => {
    await using server = await testServer({ config: keys });
    const task_id = await submit(server);
    const [first, second] = [
      await create(server, { task_id, url: elsewhere }),
      await create(server, { task_id, url: elsewhere }),
    ];
    const response = await send(server, "DELETE", `${route}/${first.id}`);
    expect(await jsonOf<object>(response)).toEqual({
      id: first.id,
      object: "webhook.deleted",
      deleted: true,
    });
    expect((await send(server, "GET", `${route}/${first.id}`)).status).toBe(404);
    await send(server, "DELETE", `/v1/audio/transcriptions/${task_id}?remove=true`);
    expect((await send(server, "GET", `${route}/${second.id}`)).status).toBe(404);
    expect(await get(server, route)).toMatchObject({ data: [], first_id: null });
  });
});

test("webhooks are listed page by page, the newest first, each caller's own", async () => {
  await using server = await testServer({ config: keys });
  const task_id = await submit(server);
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1)
    ids.unshift((await create(server, { task_id, url: elsewhere })).id);
  type List = { readonly data: readonly Shown[]; readonly has_more: boolean; readonly last_id: string };
  const first = await get<List>(server, `${route}?limit=3`);
  expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 3));
  expect(first).toMatchObject({ has_more: true, first_id: ids[0], last_id: ids[2] });
  const rest = await get<List>(server, `${route}?limit=3&after=${first.last_id}`);
  expect(rest.data.map(({ id }) => id)).toEqual(ids.slice(3));
  expect(rest.has_more).toBe(false);
  expect(await get<List>(server, route, "other")).toMatchObject({ data: [] });
});

describe("is refused", () => {
  test.each([
    ["a body that is no JSON", "{", "invalid_json", null],
    ["a body that is no object", "[]", "invalid_value", "body"],
    ["no task", { url: elsewhere }, "missing_required_parameter", "task_id"],
    ["no URL", { task_id: "TASK" }, "missing_required_parameter", "url"],
    ["a field that is unknown", { task_id: "TASK", uri: elsewhere }, "unknown_parameter", "uri"],
    ["a URL that is no text", { task_id: "TASK", url: 1 }, "invalid_value", "url"],
    ["a URL to loopback", { task_id: "TASK", url: "http://127.0.0.1/" }, "invalid_value", "url"],
    ["a name of loopback", { task_id: "TASK", url: "http://localhost:9/" }, "invalid_value", "url"],
    ["a URL with a password", { task_id: "TASK", url: "https://a:b@8.8.8.8/" }, "invalid_value", "url"],
    ["a secret that is empty", { task_id: "TASK", url: elsewhere, secret: "" }, "invalid_value", "secret"],
    [
      "a switch that is text",
      { task_id: "TASK", url: elsewhere, include_result: "yes" },
      "invalid_value",
      "include_result",
    ],
    ["a task that is not there", { task_id: "task_none", url: elsewhere }, "task_not_found", "task_id"],
  ])("%s", async (_, body, code, param) => {
    await using server = await testServer({ config: keys });
    const task = await submit(server);
    const text = (typeof body === "string" ? body : JSON.stringify(body)).replace("TASK", task);
    const response = await send(server, "POST", route, text);
    expect(await errorOf(response)).toMatchObject({ code, param });
    expect(await get(server, route)).toMatchObject({ data: [] });
  });

  test("a transcription whose webhook leads inside, or has no secret to speak of; nothing is stored", async () => {
    await using server = await testServer({ config: keys });
    for (const [fields, param] of [
      [{ webhook_url: "http://169.254.169.254/" }, "webhook_url"],
      [{ webhook_url: elsewhere, webhook_secret: "whsec_" }, "webhook_secret"],
    ] as const) {
      const init = { ...form({ async: "true", ...fields }), headers: { authorization: "Bearer right" } };
      const response = await server.fetch("/v1/audio/transcriptions", init);
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({ code: "invalid_value", param });
    }
    expect(await get(server, "/v1/audio/transcriptions")).toMatchObject({ data: [] });
  });

  test("whoever has no key", async () => {
    await using server = await testServer({ config: keys });
    for (const [method, path] of [
      ["GET", route],
      ["POST", route],
      ["GET", `${route}/wh_1`],
      ["DELETE", `${route}/wh_1`],
      ["GET", `${route}/wh_1/deliveries`],
      ["POST", `${route}/wh_1/redeliver`],
    ] as const) {
      expect((await send(server, method, path, undefined, "wrong")).status).toBe(401);
    }
  });

  test("whoever asks for somebody else's webhook or task, as if there were none", async () => {
    await using server = await testServer({ config: keys });
    const task_id = await submit(server);
    const { id } = await create(server, { task_id, url: elsewhere });
    for (const [method, path] of [
      ["GET", `${route}/${id}`],
      ["DELETE", `${route}/${id}`],
      ["GET", `${route}/${id}/deliveries`],
      ["POST", `${route}/${id}/redeliver`],
      ["GET", `${route}/%zz`],
    ] as const) {
      const response = await send(server, method, path, undefined, "other");
      expect(response.status).toBe(404);
      expect(await errorOf(response)).toMatchObject({ code: "webhook_not_found" });
    }
    const response = await send(server, "POST", route, { task_id, url: elsewhere }, "other");
    expect(await errorOf(response)).toMatchObject({ code: "task_not_found" });
    expect((await send(server, "GET", `${route}/${id}`)).status).toBe(200);
  });

  test("delivering again before the task has ended", async () => {
    await using server = await testServer({ config: keys });
    const { id } = await create(server, { task_id: await submit(server), url: elsewhere });
    const response = await send(server, "POST", `${route}/${id}/redeliver`);
    expect(response.status).toBe(409);
    expect(await errorOf(response)).toMatchObject({ code: "task_not_finished" });
  });
});
