/** What clients may send to the routes of webhooks, and how these are shown. */
import { t } from "elysia";
import { unixSeconds } from "../../core/formats.ts";
import { flag, nullable, object, text } from "../../core/read.ts";
import { integerIn } from "../../http/form.ts";
import type { Delivery, Webhook } from "../../store/webhooks.ts";
import { eventTypes } from "../../tasks/webhook-event.ts";

/** The checks of URL and secret are the verb's. */
export const readWanted = object({
  task_id: text(100),
  url: text(10_000),
  secret: nullable(text(10_000)),
  include_result: flag,
});

export const listDefaults = { limit: 20 };

export const listFields = {
  limit: integerIn(1, 100, { default: listDefaults.limit, description: "Webhooks on a page." }),
  after: t.String({ maxLength: 100, description: "Id of the last webhook of the page before." }),
};

/** Shorter secrets would not stay one. */
const hinted = 16;

/** Near OpenAI's webhook_endpoint. Without the secret. */
export function webhookObject(webhook: Webhook) {
  const { id, task, url, secret, includeResult, createdAtMs, disabledAtMs } = webhook;
  return {
    id,
    object: "webhook",
    task_id: task,
    url,
    event_types: eventTypes,
    include_result: includeResult,
    status: disabledAtMs === null ? "enabled" : "disabled",
    created_at: unixSeconds(createdAtMs),
    disabled_at: unixSeconds(disabledAtMs),
    signing_secret_hint: secret.length < hinted ? null : `…${secret.slice(-4)}`,
  };
}

export function deliveryObject({ id, webhook, event, status, createdAtMs, nextAtMs, attempts }: Delivery) {
  return {
    id,
    object: "webhook.delivery",
    webhook_id: webhook,
    event,
    status,
    created_at: unixSeconds(createdAtMs),
    next_attempt_at: unixSeconds(nextAtMs),
    attempts: attempts.map(({ atMs, ms, httpStatus, error }) => ({
      attempted_at: unixSeconds(atMs),
      duration_ms: ms,
      http_status: httpStatus,
      error,
    })),
  };
}
