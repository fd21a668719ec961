/** One attempt to deliver a webhook: what is sent, what counts as delivered, and what comes after. */
import { unixSeconds } from "../core/formats.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Outbound, OutboundReply } from "../net/outbound.ts";
import type { Job, JobResult } from "../store/jobs.ts";
import type { Task, Tasks } from "../store/tasks.ts";
import type { Delivery, DeliveryAttempt, Webhook, Webhooks } from "../store/webhooks.ts";
import { annotate, span } from "../tracing.ts";
import { originOf } from "./request.ts";
import { pauseAfter, type Retries, type Wish } from "./retries.ts";
import { sign } from "./signature.ts";
import { transcriptOf } from "./transcript.ts";
import { type EventType, eventBody } from "./webhook-event.ts";

export interface DeliveryOptions {
  readonly webhooks: Webhooks;
  readonly tasks: Tasks;
  readonly outbound: Outbound;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Before the paths of links; empty: they are relative. */
  readonly publicUrl: string;
  readonly retries: Retries;
}

/** Of an answer's body; nobody looks at it. */
const maxBodyBytes = 4096;

/**
 * The handler of a job. Rejects when the store cannot be asked, or the job is taken away: then the attempt does not count, and the
 * receiver may get the same delivery again.
 */
export async function deliver(options: DeliveryOptions, job: Job): Promise<JobResult> {
  const { webhooks, tasks } = options;
  const delivery = await webhooks.findDelivery(job.id);
  if (delivery?.status !== "pending") return undefined;
  // The process may have died after it had stored the time, before the queue knew of it.
  const earlyMs = (delivery.nextAtMs ?? 0) - Date.now();
  if (earlyMs > 0) return { againInMs: earlyMs };
  const webhook = await webhooks.find(delivery.webhook);
  if (!webhook) return undefined;
  const task = await tasks.find(webhook.task);
  if (!task) {
    await webhooks.remove(webhook.id);
    return undefined;
  }
  const { requestId, traceparent } = originOf(task);
  // Not the URL: receivers keep secrets in it, some in the host's name.
  const attributes = {
    ...{ "http.request.method": "POST", "http.request.resend_count": delivery.attempts.length },
    ...{ "whisper.webhook_id": webhook.id, "whisper.delivery_id": delivery.id, "whisper.task_id": task.id },
  };
  const attempt =
    webhook.disabledAtMs === null
      ? await span("webhook", attributes, () => send(options, webhook, delivery, task, job), {
          ...{ parent: traceparent, kind: "client" },
        })
      : disabled();
  return settle(options, webhook, delivery, requestId, attempt);
}

interface Attempt extends DeliveryAttempt {
  readonly retryAfter: string | null;
  /** There is no use in another one. */
  readonly isLast: boolean;
}

const disabled = (): Attempt => ({
  ...{ atMs: Date.now(), ms: 0, httpStatus: null, retryAfter: null, isLast: true },
  error: "The webhook is disabled",
});

/** Rejects only when the job was taken away. */
async function send(
  { outbound, tasks, publicUrl, retries, metrics }: DeliveryOptions,
  { url, secret, includeResult }: Webhook,
  { id, event }: Delivery,
  task: Task,
  job: Job,
): Promise<Attempt> {
  const text = includeResult && task.status === "completed" ? (await transcriptOf(tasks, task)).text : null;
  const body = eventBody({ task, type: event as EventType, publicUrl, text });
  const atMs = Date.now();
  const atSeconds = unixSeconds(atMs);
  const startedAt = performance.now();
  const late = AbortSignal.timeout(retries.timeoutMs);
  const ended = (
    httpStatus: number | null,
    error: string | null,
    retryAfter: string | null = null,
  ): Attempt => {
    const ms = Math.round(performance.now() - startedAt);
    const answer = httpStatus === null ? "none" : `${Math.floor(httpStatus / 100)}xx`;
    metrics.webhookSeconds.observe({ answer }, ms / 1000);
    annotate(
      httpStatus === null ? {} : { "http.response.status_code": httpStatus },
      error === null ? undefined : answer,
    );
    return { atMs, ms, httpStatus, error, retryAfter, isLast: httpStatus === 410 };
  };
  try {
    using reply = await outbound.request({
      ...{ method: "POST", url, body },
      headers: {
        "content-type": "application/json",
        "user-agent": "whisper-api",
        "webhook-id": id,
        "webhook-timestamp": `${atSeconds}`,
        // Anew for each attempt: receivers refuse what is five minutes old.
        "webhook-signature": sign(secret, id, atSeconds, body),
      },
      signal: AbortSignal.any([job.signal, late]),
    });
    const { status } = reply;
    await readOver(reply);
    if (status >= 200 && status < 300) return ended(status, null);
    const { "retry-after": retryAfter } = reply.headers;
    return ended(
      status,
      `The receiver answered ${status}`,
      typeof retryAfter === "string" ? retryAfter : null,
    );
  } catch (error) {
    if (late.aborted) return ended(null, `The receiver did not answer within ${retries.timeoutMs} ms`);
    job.signal.throwIfAborted();
    return ended(null, error instanceof Error ? error.message : "The request failed");
  }
}

/** Lets the receiver finish a short answer; its status has said all. */
async function readOver(reply: OutboundReply): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of reply.body) {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) return;
    }
  } catch {
    // it broke off, or took too long
  }
}

/** Stores what came of it. */
async function settle(
  { webhooks, log, metrics, retries }: DeliveryOptions,
  webhook: Webhook,
  delivery: Delivery,
  requestId: string,
  { retryAfter, isLast, ...attempt }: Attempt,
): Promise<JobResult> {
  const { id, event } = delivery;
  const { httpStatus, error, ms } = attempt;
  const number = delivery.attempts.length + 1;
  // Not the URL: receivers keep secrets in it.
  const fields = {
    requestId,
    webhook: webhook.id,
    task: webhook.task,
    delivery: id,
    event,
    attempt: number,
    status: httpStatus,
    ms,
  };
  if (error === null) {
    await webhooks.recordAttempt(id, attempt, "delivered", null);
    metrics.webhookDeliveries.inc({ status: "delivered" });
    log.info("webhook delivered", fields);
    return undefined;
  }
  const wish: Wish = { status: httpStatus, retryAfter };
  const nowMs = Date.now();
  const pauseMs = isLast ? null : pauseAfter(number, wish, retries, nowMs);
  if (pauseMs !== null) {
    await webhooks.recordAttempt(id, attempt, "pending", nowMs + pauseMs);
    log.info("webhook failed", { ...fields, error, againInMs: pauseMs });
    return { againInMs: pauseMs };
  }
  // First: were it the other way round, a crash between the two would leave it enabled.
  if (webhook.disabledAtMs === null) await webhooks.setDisabled(webhook.id, nowMs);
  await webhooks.recordAttempt(id, attempt, "failed", null);
  metrics.webhookDeliveries.inc({ status: "failed" });
  log.warn("webhook disabled", { ...fields, error });
  return undefined;
}
