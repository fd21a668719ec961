/** A BullMQ worker behind our interface: its own pauses, attempts that do not count when it closes, an end in any case. */
import { type Job as BullJob, Worker as BullWorker, DelayedError, WaitingError } from "bullmq";
import type { Redis, RedisOptions } from "ioredis";
import { seldom } from "../../log.ts";
import { type JobResult, retryPauseMs, type Worker, type WorkerOptions } from "../jobs.ts";
import { RunningJobs } from "../running-jobs.ts";
import type { RedisConnection } from "./connection.ts";
import { fromJobId, type JobData } from "./jobs.ts";

/** A process that does not renew for so long is taken for dead; BullMQ looks for such every `stalledMs`. */
const leaseMs = 10_000;
const stalledMs = 5000;
/** BullMQ waits up to 10 s for a job in one command. */
const silenceMs = 15_000;
/** For BullMQ to end its commands; it would wait for a Redis that is away. */
const closeMs = 2000;

export class RedisWorker implements Worker {
  readonly #options: WorkerOptions;
  readonly #clients: [Redis, ...Redis[]];
  readonly #worker: BullWorker<JobData>;
  readonly #running = new RunningJobs();
  #closing: Promise<void> | undefined;
  readonly #complains = seldom();

  /** `prefix`: of the queue's keys. The worker makes connections of its own, like that one. */
  constructor(options: WorkerOptions, connection: RedisConnection, prefix: string) {
    const { kind, concurrency } = options;
    this.#options = options;
    this.#clients = clientsFor(connection);
    this.#worker = new BullWorker<JobData>(kind, (job, token) => this.#process(job, token), {
      ...{ connection: this.#clients[0], prefix, concurrency },
      lockDuration: leaseMs,
      stalledInterval: stalledMs,
      // However often its workers die, a job is kept: who does it counts the attempts.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: 1000,
    });
    this.#worker.on("error", (error) => this.#onError(error));
    this.#worker.on("lockRenewalFailed", (jobIds) => {
      for (const jobId of jobIds) this.#running.abort(jobId, new TakenOver());
    });
  }

  async close(graceMs: number): Promise<void> {
    this.#closing ??= this.#worker.close();
    await this.#running.close(graceMs);
    await Promise.race([this.#closing, Bun.sleep(closeMs)]);
    for (const client of this.#clients) client.disconnect();
    this.#options.onClose();
  }

  /** BullMQ asks with a job that it has locked; what this throws says where the job has gone. */
  async #process(job: BullJob<JobData>, token: string | undefined): Promise<void> {
    if (this.#closing) return await this.#giveBack(job, token);
    const result = await this.#running.run(job.id ?? "", (signal) => this.#handle(job, signal));
    // BullMQ takes this for: leave it where it is.
    if (result === "taken over") throw new WaitingError();
    if (result === "stopped") return await this.#giveBack(job, token);
    if (result === undefined) return;
    await job.moveToDelayed(Date.now() + Math.round(result.againInMs), token);
    throw new DelayedError();
  }

  async #handle(job: BullJob<JobData>, signal: AbortSignal): Promise<JobResult | "taken over" | "stopped"> {
    const { kind, handle, log } = this.#options;
    const id = fromJobId(job.id ?? "");
    const attempt = job.attemptsStarted - job.data.givenBack;
    try {
      return await handle({ id, attempt, signal });
    } catch (error) {
      if (signal.aborted) return signal.reason instanceof TakenOver ? "taken over" : "stopped";
      log.warn("A job has failed and is tried again", { kind, id, attempt, error });
      return { againInMs: retryPauseMs(attempt) };
    }
  }

  /** Before all others. */
  async #giveBack(job: BullJob<JobData>, token: string | undefined): Promise<never> {
    await job.updateData({ givenBack: job.data.givenBack + 1 });
    await job.moveToWait(token);
    throw new WaitingError();
  }

  /** That Redis is away is told once, by the store's connection; what it refuses (no memory left, read-only) is told here. */
  #onError(error: Error): void {
    const { kind, log } = this.#options;
    if (error.name === "ReplyError" && this.#complains())
      log.error("Redis refuses what the job queue needs", { kind, error });
    else log.debug("BullMQ", { kind, error });
  }
}

class TakenOver extends Error {
  override readonly name = "TakenOver";

  constructor() {
    super("Another worker has taken the job over");
  }
}

/**
 * A client as BullMQ demands it, for which commands wait until Redis is back, and its copies: BullMQ makes one to wait on. All of
 * them can be ended without an answer of Redis.
 */
function clientsFor(connection: RedisConnection): [Redis, ...Redis[]] {
  const client: Redis = connection.client.duplicate({
    keyPrefix: "",
    maxRetriesPerRequest: null,
    enableOfflineQueue: true,
    commandTimeout: undefined,
    socketTimeout: silenceMs,
  });
  client.on("error", () => {});
  const clients: [Redis, ...Redis[]] = [client];
  const duplicate = client.duplicate.bind(client);
  client.duplicate = ((override?: Partial<RedisOptions>) => {
    const copy: Redis = duplicate(override);
    copy.on("error", () => {});
    clients.push(copy);
    return copy;
  }) as typeof client.duplicate;
  return clients;
}
