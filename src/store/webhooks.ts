/** Who wants to be told about a task, and every attempt to tell him. */

export interface Webhook {
  /** `wh_...`, unguessable. */
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

export interface Webhooks {
  create(webhook: Webhook): Promise<void>;
  find(id: string): Promise<Webhook | null>;
  ofTask(task: string): Promise<readonly Webhook[]>;
  /** Newest first; `after` is the id of a webhook of the same caller. */
  list(
    caller: string,
    page: { readonly after?: string; readonly limit: number },
  ): Promise<readonly Webhook[]>;
  disable(id: string, atMs: number): Promise<void>;
  /** With its deliveries. Idempotent. */
  remove(id: string): Promise<void>;
  /** false: a delivery of that id is stored already (ids that are derived make a repeated event one delivery). */
  addDelivery(delivery: Delivery): Promise<boolean>;
  findDelivery(id: string): Promise<Delivery | null>;
  /** Appends the attempt and sets status and next time. */
  recordAttempt(
    id: string,
    attempt: DeliveryAttempt,
    status: DeliveryStatus,
    nextAtMs: number | null,
  ): Promise<void>;
  /** Newest first. */
  deliveries(webhook: string, limit: number): Promise<readonly Delivery[]>;
  /** Pending ones: each must have a job. */
  pending(limit: number, after?: string): Promise<readonly Delivery[]>;
}
