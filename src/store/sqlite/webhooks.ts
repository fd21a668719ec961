/** Webhooks and their deliveries in a SQLite file. */
import type { Database } from "bun:sqlite";
import {
  type Delivery,
  type DeliveryAttempt,
  type DeliveryStatus,
  type Webhook,
  type WebhookPage,
  type Webhooks,
  webhookLimits,
} from "../webhooks.ts";
import { ask } from "./ask.ts";

const schema = `
  create table if not exists webhooks (
    id text primary key,
    caller text not null,
    task text not null,
    url text not null,
    secret text not null,
    include_result integer not null,
    created_at_ms integer not null,
    disabled_at_ms integer,
    -- 1: it has had a delivery.
    told integer not null default 0
  ) strict, without rowid;
  create index if not exists webhooks_task on webhooks (task);
  create index if not exists webhooks_caller on webhooks (caller, id);
  create index if not exists webhooks_untold on webhooks (id) where told = 0;
  create table if not exists deliveries (
    id text primary key,
    webhook text not null,
    event text not null,
    status text not null,
    created_at_ms integer not null,
    next_at_ms integer,
    -- JSON, a list.
    attempts text not null
  ) strict, without rowid;
  create index if not exists deliveries_webhook on deliveries (webhook, created_at_ms);
  create index if not exists deliveries_due on deliveries (next_at_ms) where status = 'pending';
`;

interface WebhookRow {
  readonly id: string;
  readonly caller: string;
  readonly task: string;
  readonly url: string;
  readonly secret: string;
  readonly include_result: number;
  readonly created_at_ms: number;
  readonly disabled_at_ms: number | null;
}

interface DeliveryRow {
  readonly id: string;
  readonly webhook: string;
  readonly event: string;
  readonly status: DeliveryStatus;
  readonly created_at_ms: number;
  readonly next_at_ms: number | null;
  readonly attempts: string;
}

type Values = Record<string, string | number | null>;

export class SqliteWebhooks implements Webhooks {
  /** `database` stays the caller's. */
  constructor(private readonly database: Database) {
    database.run(schema);
  }

  create(webhook: Webhook): Promise<boolean> {
    const { includeResult, ...values } = webhook;
    // One statement is one transaction.
    return ask(() =>
      this.#changes(
        `insert into webhooks (id, caller, task, url, secret, include_result, created_at_ms, disabled_at_ms)
         select $id, $caller, $task, $url, $secret, $includeResult, $createdAtMs, $disabledAtMs
         where (select count(*) from webhooks where task = $task) < $most`,
        { ...values, includeResult: Number(includeResult), most: webhookLimits.perTask },
      ),
    );
  }

  find(id: string): Promise<Webhook | null> {
    return ask(() => this.#webhooks("where id = $id", { id })[0] ?? null);
  }

  ofTask(task: string): Promise<readonly Webhook[]> {
    return ask(() => this.#webhooks("where task = $task order by id", { task }));
  }

  list(caller: string, { after, limit }: WebhookPage): Promise<readonly Webhook[]> {
    return ask(() =>
      this.#webhooks(
        "where caller = $caller and ($after is null or id < $after) order by id desc limit $limit",
        { caller, after: after ?? null, limit },
      ),
    );
  }

  setDisabled(id: string, atMs: number | null): Promise<void> {
    return ask(() => {
      this.#changes("update webhooks set disabled_at_ms = $atMs where id = $id", { id, atMs });
    });
  }

  remove(id: string): Promise<void> {
    return ask(() =>
      this.#atomically(() => {
        this.#changes("delete from deliveries where webhook = $id", { id });
        this.#changes("delete from webhooks where id = $id", { id });
      }),
    );
  }

  addDelivery(delivery: Delivery): Promise<boolean> {
    const { webhook, attempts, ...values } = delivery;
    return ask(() =>
      this.#atomically(() => {
        const isNew = this.#changes(
          `insert into deliveries (id, webhook, event, status, created_at_ms, next_at_ms, attempts)
           select $id, id, $event, $status, $createdAtMs, $nextAtMs, $attempts from webhooks where id = $webhook
           on conflict do nothing`,
          { ...values, webhook, attempts: JSON.stringify(attempts) },
        );
        if (!isNew) return false;
        this.#changes("update webhooks set told = 1 where id = $webhook", { webhook });
        this.#changes(
          `delete from deliveries where id in (select id from deliveries where webhook = $webhook
             order by created_at_ms desc, id desc limit -1 offset $most)`,
          { webhook, most: webhookLimits.deliveries },
        );
        return true;
      }),
    );
  }

  findDelivery(id: string): Promise<Delivery | null> {
    return ask(() => this.#deliveries("where id = $id", { id })[0] ?? null);
  }

  recordAttempt(
    id: string,
    attempt: DeliveryAttempt,
    status: DeliveryStatus,
    nextAtMs: number | null,
  ): Promise<void> {
    return ask(() => {
      this.#changes(
        `update deliveries set attempts = json_insert(attempts, '$[#]', json($attempt)), status = $status,
           next_at_ms = $nextAtMs where id = $id`,
        { id, attempt: JSON.stringify(attempt), status, nextAtMs },
      );
    });
  }

  deliveries(webhook: string, limit: number): Promise<readonly Delivery[]> {
    return ask(() =>
      this.#deliveries("where webhook = $webhook order by created_at_ms desc, id desc limit $limit", {
        webhook,
        limit,
      }),
    );
  }

  overdue(beforeMs: number, limit: number): Promise<readonly Delivery[]> {
    return ask(() =>
      this.#deliveries(
        "where status = 'pending' and next_at_ms < $beforeMs order by next_at_ms limit $limit",
        { beforeMs, limit },
      ),
    );
  }

  untold(limit: number, after = ""): Promise<readonly Webhook[]> {
    return ask(() =>
      this.#webhooks("where told = 0 and id > $after order by id limit $limit", { after, limit }),
    );
  }

  #changes(sql: string, values: Values): boolean {
    return this.database.query(sql).run(values).changes > 0;
  }

  #atomically<T>(act: () => T): T {
    return this.database.transaction(act).immediate();
  }

  #webhooks(where: string, values: Values): Webhook[] {
    return this.database
      .query<WebhookRow, [Values]>(`select * from webhooks ${where}`)
      .all(values)
      .map((row) => ({
        id: row.id,
        caller: row.caller,
        task: row.task,
        url: row.url,
        secret: row.secret,
        includeResult: row.include_result === 1,
        createdAtMs: row.created_at_ms,
        disabledAtMs: row.disabled_at_ms,
      }));
  }

  #deliveries(where: string, values: Values): Delivery[] {
    return this.database
      .query<DeliveryRow, [Values]>(`select * from deliveries ${where}`)
      .all(values)
      .map((row) => ({
        id: row.id,
        webhook: row.webhook,
        event: row.event,
        status: row.status,
        createdAtMs: row.created_at_ms,
        nextAtMs: row.next_at_ms,
        attempts: JSON.parse(row.attempts),
      }));
  }
}
