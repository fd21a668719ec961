/** Tells those who asked for it that a task has ended. What is to be told is stored before anything is sent, so no crash loses it. */
import { AppError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { JobQueue, Worker } from "../store/jobs.ts";
import type { Task } from "../store/tasks.ts";
import type { Delivery, Webhook } from "../store/webhooks.ts";
import { type DeliveryOptions, deliver } from "./delivery.ts";
import { ownTask } from "./own-task.ts";
import { longestDeliveryMs, type Retries, standardRetries } from "./retries.ts";
import { isSecret, newSecret } from "./signature.ts";
import type { TaskWatchers, WatcherRequest } from "./watchers.ts";
import { eventOf, firstDeliveryId } from "./webhook-event.ts";

export interface TaskWebhooksOptions extends Omit<DeliveryOptions, "retries"> {
  readonly jobs: JobQueue;
  readonly retries?: Retries;
}

export interface WantedWebhook extends WatcherRequest {
  /** Whether deliveries carry the transcript. */
  readonly includeResult: boolean;
}

/** How the client calls these, for errors. */
export interface WebhookNames {
  readonly url: string;
  readonly secret: string;
}

/** As fields of the request that makes the task. */
const namesOfTask: WebhookNames = { url: "webhook_url", secret: "webhook_secret" };
const maxSecretLength = 512;
/** They wait for others most of their time. */
const concurrency = 32;
const sweepEveryMs = 60_000;
/** A job has that long to begin before another look is taken at whether it is there. */
const overdueMs = 60_000;
const pageSize = 200;

export class TaskWebhooks implements TaskWatchers {
  private worker: Worker | null = null;
  private sweeping: Timer | undefined;

  constructor(private readonly options: TaskWebhooksOptions) {}

  /** To be called before anything is stored. Throws invalid_value that names the field. */
  async check({ url, secret }: WatcherRequest, names: WebhookNames = namesOfTask): Promise<void> {
    if (secret !== null && (secret.length > maxSecretLength || !isSecret(secret))) {
      const expected = `text of 1 to ${maxSecretLength} characters, in base64 if it begins with whsec_,`;
      throw new AppError(
        "invalid_value",
        `Expected ${expected} for ${names.secret} but received something else`,
        {
          param: names.secret,
        },
      );
    }
    await this.options.outbound.check(url, names.url);
  }

  /** Makes a webhook of a new task. Repeated, it makes another. */
  async register(task: Task, request: WatcherRequest): Promise<void> {
    await this.create(task.caller, task.id, { ...request, includeResult: false });
  }

  /**
   * Makes a webhook of a task of its caller; of one that has ended it is delivered at once. check() comes before. Throws task_not_found,
   * or invalid_value when the task has too many.
   */
  async create(caller: string, taskId: string, wanted: WantedWebhook): Promise<Webhook> {
    const { webhooks, tasks } = this.options;
    await ownTask(tasks, caller, taskId);
    const webhook: Webhook = {
      ...{ id: newId("wh"), caller, task: taskId, createdAtMs: Date.now(), disabledAtMs: null },
      ...{ url: wanted.url, secret: wanted.secret ?? newSecret(), includeResult: wanted.includeResult },
    };
    if (!(await webhooks.create(webhook))) {
      throw new AppError("invalid_value", "The task has as many webhooks as it may have", {
        param: "task_id",
      });
    }
    // After it is stored: either we see the end here, or whoever ends the task sees the webhook.
    const task = await tasks.find(taskId);
    if (task) await this.tell(webhook, task);
    return webhook;
  }

  /** The caller's webhook. Throws webhook_not_found. */
  async find(caller: string, id: string): Promise<Webhook> {
    const webhook = await this.options.webhooks.find(id);
    if (webhook?.caller === caller) return webhook;
    throw notFound();
  }

  async ended(task: Task): Promise<void> {
    for (const webhook of await this.options.webhooks.ofTask(task.id)) await this.tell(webhook, task);
  }

  async isWaiting(taskId: string): Promise<boolean> {
    const { webhooks, retries = standardRetries } = this.options;
    const sinceMs = Date.now() - longestDeliveryMs(retries);
    for (const { id, createdAtMs, disabledAtMs } of await webhooks.ofTask(taskId)) {
      if (disabledAtMs !== null) continue;
      const deliveries = await webhooks.deliveries(id, pageSize);
      const isUntold = deliveries.length === 0 && createdAtMs > sinceMs;
      if (isUntold || deliveries.some((each) => each.status === "pending" && each.createdAtMs > sinceMs))
        return true;
    }
    return false;
  }

  async removed(taskId: string): Promise<void> {
    for (const { id } of await this.options.webhooks.ofTask(taskId)) await this.options.webhooks.remove(id);
  }

  /** Tells it again, under a new id, also when it was disabled. Throws task_not_found or task_not_finished. */
  async redeliver(webhook: Webhook): Promise<Delivery> {
    const { webhooks, jobs, tasks } = this.options;
    const task = await ownTask(tasks, webhook.caller, webhook.task);
    const event = eventOf(task);
    if (!event)
      throw new AppError("task_not_finished", "The task has not ended: there is nothing to deliver");
    const atMs = Date.now();
    const delivery = newDelivery(newId("msg"), webhook.id, event, atMs);
    await webhooks.setDisabled(webhook.id, null);
    if (!(await webhooks.addDelivery(delivery))) throw notFound();
    await jobs.add("delivery", delivery.id);
    return delivery;
  }

  /** Does deliveries, and looks after those that got lost. Called once. */
  start(): void {
    const { jobs, log, retries = standardRetries } = this.options;
    this.worker = jobs.work("delivery", concurrency, (job) => deliver({ ...this.options, retries }, job));
    let isSweeping = false;
    const sweep = async () => {
      if (isSweeping) return;
      isSweeping = true;
      await this.sweep().catch((error) => {
        // The store tells itself that it is away.
        if (error?.code !== "store_unavailable") log.warn("Webhooks could not be looked after", { error });
      });
      isSweeping = false;
    };
    this.sweeping = setInterval(sweep, sweepEveryMs);
    void sweep();
  }

  /** Delivers nothing more; attempts that are under way after `graceMs` are given back. */
  async close(graceMs: number): Promise<void> {
    clearInterval(this.sweeping);
    await this.worker?.close(graceMs);
  }

  /** Gives every overdue delivery a job, and every webhook whose task has ended its delivery, whatever has crashed before. */
  async sweep(): Promise<void> {
    const { webhooks, jobs, tasks } = this.options;
    for (const { id } of await webhooks.overdue(Date.now() - overdueMs, pageSize))
      await jobs.add("delivery", id);
    for (let after: string | undefined; ; ) {
      const page = await webhooks.untold(pageSize, after);
      for (const webhook of page) {
        const task = await tasks.find(webhook.task);
        if (task) await this.tell(webhook, task);
        else await webhooks.remove(webhook.id);
      }
      after = page.at(-1)?.id;
      if (page.length < pageSize) return;
    }
  }

  /** Nothing, unless the task has ended. */
  private async tell(webhook: Webhook, task: Task): Promise<void> {
    const { webhooks, jobs } = this.options;
    const event = eventOf(task);
    if (!event) return;
    const delivery = newDelivery(firstDeliveryId(webhook.id, event), webhook.id, event, Date.now());
    await webhooks.addDelivery(delivery);
    // Also when it was there: whoever stored it may have died before this line.
    await jobs.add("delivery", delivery.id);
  }
}

const notFound = () => new AppError("webhook_not_found", "There is no webhook of that id");

function newDelivery(id: string, webhook: string, event: string, atMs: number): Delivery {
  return { id, webhook, event, status: "pending", createdAtMs: atMs, nextAtMs: atMs, attempts: [] };
}
