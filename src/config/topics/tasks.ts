/** Work that goes on without its request, and who is told of its end. */
import type { Notation } from "../../core/notation.ts";
import { baseUrl, byteSize, duration, flag, integer, oneOf, optional, setting } from "../notations.ts";

const portOrOff: Notation<"off" | number> = {
  expected: "off or a port from 0 to 65535",
  parse: (value) => oneOf("off").parse(value) ?? integer(0, 65_535).parse(value),
};

export const tasks = {
  taskTtlMs: setting(
    "TASK_TTL",
    duration(1000),
    "24h",
    "Time that a task is kept after it has ended; longer while a webhook is not delivered yet.",
  ),
  maxTasksPerCaller: setting(
    "MAX_TASKS_PER_CALLER",
    integer(0, 1_000_000),
    "1000",
    "Tasks of one caller that wait or run; 0 = no tasks.",
  ),
  maxTaskBytes: setting(
    "MAX_TASK_BYTES",
    byteSize(1),
    "10GB",
    "Recordings of all tasks that wait or run, together: bytes, or 500MB, 10GB.",
  ),
  maxRunningTasks: setting(
    "MAX_RUNNING_TASKS",
    integer(0, 1024),
    "0",
    "Tasks that this process transcribes at the same time; 0 = the slots.",
  ),
  worker: setting("WORKER", flag, "true", "Whether `serve` transcribes tasks, too."),
  workerPort: setting(
    "WORKER_PORT",
    portOrOff,
    "off",
    "Port on which `worker` answers /health, /ready and /metrics; 0 = any free one.",
  ),
  publicUrl: setting(
    "PUBLIC_URL",
    optional(baseUrl),
    "",
    "Where clients reach this server, for links in webhooks; none = links without a host.",
  ),
  webhookAllowPrivate: setting(
    "WEBHOOK_ALLOW_PRIVATE",
    flag,
    "false",
    "For development: webhooks and `url` may go to private addresses.",
  ),
};
