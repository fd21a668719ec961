/** Webhooks and their deliveries on Redis: a hash for each, and sorted sets of their ids. Whatever writes is one script. */
import type { Redis, Result } from "ioredis";
import {
  type Delivery,
  type DeliveryAttempt,
  type DeliveryStatus,
  type Webhook,
  type Webhooks,
  webhookLimits,
} from "../webhooks.ts";
import type { RedisConnection } from "./connection.ts";
import addScript from "./lua/deliveryAdd-1.lua" with { type: "text" };
import recordScript from "./lua/deliveryRecord-1.lua" with { type: "text" };
import createScript from "./lua/webhookCreate-1.lua" with { type: "text" };
import disableScript from "./lua/webhookDisable-1.lua" with { type: "text" };
import removeScript from "./lua/webhookRemove-1.lua" with { type: "text" };

type Value = string | number;

declare module "ioredis" {
  interface RedisCommander<Context> {
    webhookCreate(root: string, ...values: Value[]): Result<0 | 1, Context>;
    webhookDisable(root: string, ...values: Value[]): Result<null, Context>;
    webhookRemove(root: string, ...values: Value[]): Result<null, Context>;
    deliveryAdd(root: string, ...values: Value[]): Result<0 | 1, Context>;
    deliveryRecord(root: string, ...values: Value[]): Result<null, Context>;
  }
}

const root = "{webhooks}";
const scripts = {
  webhookCreate: createScript,
  webhookDisable: disableScript,
  webhookRemove: removeScript,
  deliveryAdd: addScript,
  deliveryRecord: recordScript,
};

export class RedisWebhooks implements Webhooks {
  constructor(private readonly connection: RedisConnection) {
    for (const [name, lua] of Object.entries(scripts))
      connection.client.defineCommand(name, { numberOfKeys: 1, lua });
  }

  create(webhook: Webhook): Promise<boolean> {
    const { id, task, caller } = webhook;
    const most = `${webhookLimits.perTask}`;
    return this.connection.ask(
      async (client) => (await client.webhookCreate(root, id, task, caller, most, ...written(webhook))) === 1,
    );
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

  list(caller: string, { after, limit }: { after?: string; limit: number }): Promise<readonly Webhook[]> {
    const from = after === undefined ? "+" : `(${after}`;
    return this.connection.ask(async (client) => {
      const ids = await client.zrevrangebylex(`${root}:caller:${caller}`, from, "-", "LIMIT", 0, limit);
      return readAll(client, "webhook", ids, webhookOf);
    });
  }

  async setDisabled(id: string, atMs: number | null): Promise<void> {
    await this.connection.ask((client) => client.webhookDisable(root, id, atMs ?? ""));
  }

  async remove(id: string): Promise<void> {
    await this.connection.ask((client) => client.webhookRemove(root, id));
  }

  addDelivery(delivery: Delivery): Promise<boolean> {
    const { id, webhook, createdAtMs, nextAtMs, attempts, ...rest } = delivery;
    const fields = { ...rest, id, webhook, createdAtMs, nextAtMs, attempts: attempts.map(line).join("") };
    const most = webhookLimits.deliveries;
    return this.connection.ask(
      async (client) =>
        (await client.deliveryAdd(
          root,
          id,
          webhook,
          createdAtMs,
          nextAtMs ?? "",
          most,
          ...written(fields),
        )) === 1,
    );
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
    await this.connection.ask((client) =>
      client.deliveryRecord(root, id, line(attempt), status, nextAtMs ?? ""),
    );
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
function written(record: object): Value[] {
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
