/** Who wants to be told about a task, and every attempt to tell him. */

export interface Webhook {
  /** `wh_...`; sorts by the time of creation. */
  readonly id: string;
  readonly caller: string;
  readonly task: string;
  readonly url: string;
  /** Signs deliveries; has to be readable, so the store is as secret as the keys. */
  readonly secret: string;
  readonly includeResult: boolean;
  readonly createdAtMs: number;
  /** Set when the receiver said 410 or when the last retry has failed. */
  readonly disabledAtMs: number | null;
}

export type DeliveryStatus = "pending" | "delivered" | "failed";

/** One event for one webhook. Redelivering makes a new one. */
export interface Delivery {
  /** `msg_...`: the `webhook-id` header, the same on every retry. */
  readonly id: string;
  readonly webhook: string;
  /** `transcription.completed` and so on. */
  readonly event: string;
  readonly status: DeliveryStatus;
  readonly createdAtMs: number;
  /** When it is tried next; null unless it is pending. */
  readonly nextAtMs: number | null;
  readonly attempts: readonly DeliveryAttempt[];
}

export interface DeliveryAttempt {
  readonly atMs: number;
  readonly ms: number;
  /** null: there was no answer. */
  readonly httpStatus: number | null;
  /** A sentence, or null when it was delivered. */
  readonly error: string | null;
}

/** Of both stores. */
export const webhookLimits = {
  /** Webhooks of a task. */
  perTask: 10,
  /** Deliveries of a webhook that are kept: the oldest go first. */
  deliveries: 20,
} as const;

export interface WebhookPage {
  /** Those before the webhook of this id; it need not be there any more. */
  readonly after?: string;
  readonly limit: number;
}

export interface Webhooks {
  /** false, and nothing stored: the task has as many as it may have. */
  create(webhook: Webhook): Promise<boolean>;
  find(id: string): Promise<Webhook | null>;
  /** By id. */
  ofTask(task: string): Promise<readonly Webhook[]>;
  /** By id, the last first. */
  list(caller: string, page: WebhookPage): Promise<readonly Webhook[]>;
  /** null: it is enabled again. Nothing happens when it is gone. */
  setDisabled(id: string, atMs: number | null): Promise<void>;
  /** With its deliveries. Idempotent. */
  remove(id: string): Promise<void>;
  /**
   * false, and nothing stored: a delivery of that id is there already (ids that are derived make a repeated event one delivery), or the
   * webhook is gone.
   */
  addDelivery(delivery: Delivery): Promise<boolean>;
  findDelivery(id: string): Promise<Delivery | null>;
  /** Appends the attempt and sets status and next time. Nothing happens when the delivery is gone. */
  recordAttempt(
    id: string,
    attempt: DeliveryAttempt,
    status: DeliveryStatus,
    nextAtMs: number | null,
  ): Promise<void>;
  /** Newest first. */
  deliveries(webhook: string, limit: number): Promise<readonly Delivery[]>;
  /** Pending ones whose time came before that, the longest overdue first: a job may have got lost. */
  overdue(beforeMs: number, limit: number): Promise<readonly Delivery[]>;
  /** Webhooks that never had a delivery, by id, those behind `after`: their tasks may have ended unnoticed. */
  untold(limit: number, after?: string): Promise<readonly Webhook[]>;
}
