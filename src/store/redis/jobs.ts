/** Jobs on Redis, in one BullMQ queue for each kind: any number of processes add them and do them. */
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import type { JobHandler, JobKind, JobQueue, Worker } from "../jobs.ts";
import { StoreUnavailable } from "../store.ts";
import type { RedisConnection } from "./connection.ts";
import { RedisWorker } from "./worker.ts";

/** What BullMQ keeps of a job beside its id. */
export interface JobData {
  /** How often it was given back unfinished: these attempts do not count. */
  readonly givenBack: number;
}

/** BullMQ takes neither whole numbers nor most ids with a colon. */
const toJobId = (id: string) => `job-${encodeURIComponent(id)}`;
export const fromJobId = (jobId: string) => decodeURIComponent(jobId.slice("job-".length));

export class RedisJobQueue implements JobQueue {
  /** BullMQ puts its own prefix before its keys and refuses a client that does. */
  readonly #client: Redis;
  readonly #prefix: string;
  readonly #queues = new Map<JobKind, Queue<JobData>>();
  readonly #workers = new Set<RedisWorker>();

  constructor(private readonly connection: RedisConnection) {
    this.#prefix = `${connection.options.prefix}:jobs`;
    this.#client = connection.client.duplicate({ keyPrefix: "" });
    // Told once, by the connection that it was made of.
    this.#client.on("error", () => {});
  }

  /** As Store.isAvailable. */
  get isAvailable(): boolean {
    return this.#client.status === "ready";
  }

  async add(kind: JobKind, id: string, delayMs = 0): Promise<void> {
    const options = { jobId: toJobId(id), delay: Math.round(delayMs) };
    await this.#ask(kind, (queue) => queue.add(kind, { givenBack: 0 }, options));
  }

  async remove(kind: JobKind, id: string): Promise<void> {
    await this.#ask(kind, (queue) => queue.remove(toJobId(id)));
  }

  async count(kind: JobKind): Promise<{ waiting: number; running: number }> {
    const {
      wait = 0,
      delayed = 0,
      active = 0,
    } = await this.#ask(kind, (queue) => queue.getJobCounts("wait", "delayed", "active"));
    return { waiting: wait + delayed, running: active };
  }

  work(kind: JobKind, concurrency: number, handle: JobHandler): Worker {
    const { log } = this.connection.options;
    const onClose = () => this.#workers.delete(worker);
    const options = { kind, concurrency, handle, log, onClose };
    const worker = new RedisWorker(options, this.connection, this.#prefix);
    this.#workers.add(worker);
    return worker;
  }

  /** Closes the workers without grace, then the connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.close(0)));
    this.#client.disconnect();
    await Promise.all([...this.#queues.values()].map((queue) => queue.close().catch(() => {})));
  }

  async #ask<T>(kind: JobKind, act: (queue: Queue<JobData>) => Promise<T>): Promise<T> {
    // BullMQ would wait for Redis without end.
    if (!this.isAvailable) throw new StoreUnavailable(new Error(`The connection is ${this.#client.status}`));
    try {
      return await act(this.#queueOf(kind));
    } catch (error) {
      throw new StoreUnavailable(error);
    }
  }

  /** Made when there is a Redis: a BullMQ queue that cannot ask for its version remains useless. */
  #queueOf(kind: JobKind): Queue<JobData> {
    const known = this.#queues.get(kind);
    if (known) return known;
    const queue = new Queue<JobData>(kind, {
      connection: this.#client,
      prefix: this.#prefix,
      defaultJobOptions: {
        removeOnComplete: true,
        removeOnFail: true,
        // A job ends when its handler says so. These are for what BullMQ itself may fail at.
        attempts: Number.MAX_SAFE_INTEGER,
        backoff: { type: "fixed", delay: 1000 },
        stackTraceLimit: 0,
      },
      // Nobody listens to them.
      streams: { events: { maxLen: 100 } },
    });
    queue.on("error", () => {});
    queue.waitUntilReady().catch(() => {
      this.#queues.delete(kind);
      void queue.close().catch(() => {});
    });
    this.#queues.set(kind, queue);
    return queue;
  }
}
