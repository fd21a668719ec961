/** One connection to Redis, on which no command waits for long: when Redis is away, whoever asks is told at once. */
import { Redis, ReplyError } from "ioredis";
import { type Logger, seldom } from "../../log.ts";
import { StoreUnavailable } from "../store.ts";

/** A Redis that does not answer for so long counts as away: the connection is given up, so that the next ones do not wait for it. */
const silenceMs = 1000;
const commandTimeoutMs = 2000;
const longestPauseMs = 1000;

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
  private isClosed = false;
  private readonly complains = seldom();

  /** Connects in the background and for ever; a Redis that is away is told once in the log, and once that it is back. */
  constructor(options: RedisOptions) {
    this.options = options;
    const { url, prefix, log } = options;
    this.client = new Redis(url, {
      keyPrefix: `${prefix}:`,
      commandTimeout: commandTimeoutMs,
      socketTimeout: silenceMs,
      connectTimeout: commandTimeoutMs,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), longestPauseMs),
    });
    let isAway = false;
    const away = (error: string) => {
      if (!isAway && !this.isClosed) log.warn("Redis is away", { error });
      isAway = true;
    };
    this.client.on("error", ({ message }) => away(message));
    this.client.on("close", () => away("The connection was closed"));
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
      if (error instanceof ReplyError) this.complain(error);
      throw new StoreUnavailable(error);
    }
  }

  /** It is there and refuses: no memory left, read-only, no permission. */
  private complain(error: unknown): void {
    if (this.complains()) this.options.log.error("Redis refuses a command", { error });
  }

  /** Idempotent. */
  close(): void {
    this.isClosed = true;
    this.client.disconnect();
  }
}
