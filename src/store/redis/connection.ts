/** One connection to Redis, on which no command waits for long: when Redis is away, whoever asks is told at once. */
import { Redis } from "ioredis";
import type { Logger } from "../../log.ts";
import { StoreUnavailable } from "../store.ts";

const commandTimeoutMs = 2000;
const longestPauseMs = 2000;

export interface RedisOptions {
  /** redis:// or rediss://, with user, password and database where wanted. */
  readonly url: string;
  /** Before every key: several servers may share a Redis. */
  readonly prefix: string;
  readonly log: Logger;
}

export class RedisConnection {
  /** With `prefix` before every key, in scripts too. */
  readonly client: Redis;
  readonly options: RedisOptions;

  /** Connects in the background and for ever; a Redis that is away is told once in the log, and once that it is back. */
  constructor(options: RedisOptions) {
    this.options = options;
    const { url, prefix, log } = options;
    this.client = new Redis(url, {
      keyPrefix: `${prefix}:`,
      commandTimeout: commandTimeoutMs,
      connectTimeout: commandTimeoutMs,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), longestPauseMs),
    });
    let isAway = false;
    this.client.on("error", (error) => {
      if (!isAway) log.warn("Redis is away", { error: error.message });
      isAway = true;
    });
    this.client.on("ready", () => {
      if (isAway) log.info("Redis is back");
      isAway = false;
    });
  }

  get isAvailable(): boolean {
    return this.client.status === "ready";
  }

  /** What `act` gives; any failure becomes StoreUnavailable. */
  async ask<T>(act: (client: Redis) => Promise<T>): Promise<T> {
    if (!this.isAvailable) throw new StoreUnavailable(new Error(`The connection is ${this.client.status}`));
    try {
      return await act(this.client);
    } catch (error) {
      throw new StoreUnavailable(error);
    }
  }

  close(): void {
    this.client.disconnect();
  }
}
