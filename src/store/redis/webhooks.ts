/** Webhooks and their deliveries on Redis: a hash for each, and sorted sets of their ids. Whatever writes is one script. */
import type { Redis } from "ioredis";
import {
  type Delivery,
  type DeliveryAttempt,
  type DeliveryStatus,
  type Webhook,
  type WebhookPage,
  type Webhooks,
  webhookLimits,
} from "../webhooks.ts";
import type { RedisConnection } from "./connection.ts";
import addSource from "./lua/delivery-add.lua" with { type: "text" };
import recordSource from "./lua/delivery-record.lua" with { type: "text" };
import createSource from "./lua/webhook-create.lua" with { type: "text" };
import disableSource from "./lua/webhook-disable.lua" with { type: "text" };
import removeSource from "./lua/webhook-remove.lua" with { type: "text" };
import { Script, type ScriptValue } from "./script.ts";

const root = "{webhooks}";
const scripts = {
  create: new Script<0 | 1>(createSource),
  disable: new Script<null>(disableSource),
  remove: new Script<null>(removeSource),
  addDelivery: new Script<0 | 1>(addSource),
  recordAttempt: new Script<null>(recordSource),
};

export class RedisWebhooks implements Webhooks {
  constructor(private readonly connection: RedisConnection) {}

  async create(webhook: Webhook): Promise<boolean> {
    const { id, task, caller } = webhook;
    const args = [id, task, caller, webhookLimits.perTask, ...written(webhook)];
    return (await scripts.create.run(this.connection, [root], args)) === 1;
  }

  find(id: string): Promise<Webhook | null> {
    return this.connection.ask(
      async (client) => (await readAll(client, "webhook", [id], webhookOf))[0] ?? null,
    );
  }

  ofTask(task: string): Promise<readonly Webhook[]> {
    return this.connection.ask(async (client) =>
      readAll(client, "webhook", await client.zrange(`${root}:task:${task}`, 0, "-1"), webhookOf),
    );
  }

  list(caller: string, { after, limit }: WebhookPage): Promise<readonly Webhook[]> {
    const from = after === undefined ? "+" : `(${after}`;
    return this.connection.ask(async (client) => {
      const ids = await client.zrevrangebylex(`${root}:caller:${caller}`, from, "-", "LIMIT", 0, limit);
      return readAll(client, "webhook", ids, webhookOf);
    });
  }

  async setDisabled(id: string, atMs: number | null): Promise<void> {
    await scripts.disable.run(this.connection, [root], [id, atMs ?? ""]);
  }

  async remove(id: string): Promise<void> {
    await scripts.remove.run(this.connection, [root], [id]);
  }

  async addDelivery(delivery: Delivery): Promise<boolean> {
    const { id, webhook, createdAtMs, nextAtMs, attempts, ...rest } = delivery;
    const fields = { ...rest, id, webhook, createdAtMs, nextAtMs, attempts: attempts.map(line).join("") };
    const args = [id, webhook, createdAtMs, nextAtMs ?? "", webhookLimits.deliveries, ...written(fields)];
    return (await scripts.addDelivery.run(this.connection, [root], args)) === 1;
  }

  findDelivery(id: string): Promise<Delivery | null> {
    return this.connection.ask(
      async (client) => (await readAll(client, "delivery", [id], deliveryOf))[0] ?? null,
    );
  }

  async recordAttempt(
    id: string,
    attempt: DeliveryAttempt,
    status: DeliveryStatus,
    nextAtMs: number | null,
  ): Promise<void> {
    await scripts.recordAttempt.run(this.connection, [root], [id, line(attempt), status, nextAtMs ?? ""]);
  }

  deliveries(webhook: string, limit: number): Promise<readonly Delivery[]> {
    return this.connection.ask(async (client) => {
      const ids = await client.zrevrange(`${root}:deliveries:${webhook}`, 0, limit - 1);
      return readAll(client, "delivery", ids, deliveryOf);
    });
  }

  overdue(beforeMs: number, limit: number): Promise<readonly Delivery[]> {
    return this.connection.ask(async (client) => {
      const ids = await client.zrangebyscore(`${root}:due`, "-inf", `(${beforeMs}`, "LIMIT", 0, limit);
      return readAll(client, "delivery", ids, deliveryOf);
    });
  }

  untold(limit: number, after = ""): Promise<readonly Webhook[]> {
    const from = after === "" ? "-" : `(${after}`;
    return this.connection.ask(async (client) => {
      const ids = await client.zrangebylex(`${root}:untold`, from, "+", "LIMIT", 0, limit);
      return readAll(client, "webhook", ids, webhookOf);
    });
  }
}

const line = (attempt: DeliveryAttempt) => `${JSON.stringify(attempt)}\n`;

/** Fields and values in turn; null is the empty text. */
function written(record: object): ScriptValue[] {
  return Object.entries(record).flatMap(([name, value]) => [
    name,
    typeof value === "number" ? value : `${value ?? ""}`,
  ]);
}

type Fields = Readonly<Record<string, string>>;

/** The records of `ids` in their order, without those that are gone. */
async function readAll<T>(
  client: Redis,
  kind: "webhook" | "delivery",
  ids: readonly string[],
  make: (fields: Fields) => T,
): Promise<T[]> {
  const all = await Promise.all(ids.map((id) => client.hgetall(`${root}:${kind}:${id}`)));
  return all.filter((fields) => fields.id !== undefined).map(make);
}

const nullable = (text = "") => (text === "" ? null : Number(text));

const webhookOf = ({ id = "", caller = "", task = "", url = "", secret = "", ...rest }: Fields): Webhook => ({
  ...{ id, caller, task, url, secret },
  includeResult: rest.includeResult === "true",
  createdAtMs: Number(rest.createdAtMs),
  disabledAtMs: nullable(rest.disabledAtMs),
});

const deliveryOf = ({ id = "", webhook = "", event = "", status, ...rest }: Fields): Delivery => ({
  ...{ id, webhook, event, status: status as DeliveryStatus },
  createdAtMs: Number(rest.createdAtMs),
  nextAtMs: nullable(rest.nextAtMs),
  attempts: (rest.attempts ?? "")
    .split("\n")
    .slice(0, -1)
    .map((text) => JSON.parse(text)),
});
