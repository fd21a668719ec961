/** A Lua script: one atomic step. Redis gets its source once, and then its digest. */
import type { RedisConnection } from "./connection.ts";

export class Script {
  private readonly digest: string;

  constructor(private readonly source: string) {
    this.digest = new Bun.CryptoHasher("sha1").update(source).digest("hex");
  }

  /** What the script returns. Keys are without the connection's prefix. Throws StoreUnavailable. */
  run(
    connection: RedisConnection,
    keys: readonly string[],
    args: readonly (string | number)[] = [],
  ): Promise<unknown> {
    return connection.ask(async (client) => {
      try {
        return await client.evalsha(this.digest, keys.length, ...keys, ...args);
      } catch (error) {
        if (!(error as Error).message.startsWith("NOSCRIPT")) throw error;
        return await client.eval(this.source, keys.length, ...keys, ...args);
      }
    });
  }
}
