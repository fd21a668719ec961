/** A Lua script: one atomic step. Redis gets its source once, and then its digest. */
import type { RedisConnection } from "./connection.ts";

export type ScriptValue = string | number | Buffer;

export class Script<Reply> {
  private readonly digest: string;

  /** `source` returns a Reply; "bytes" leaves its texts as they are, else they are UTF-8. */
  constructor(
    private readonly source: string,
    private readonly replies: "text" | "bytes" = "text",
  ) {
    this.digest = new Bun.CryptoHasher("sha1").update(source).digest("hex");
  }

  /** Keys are without the connection's prefix. Throws StoreUnavailable. */
  run(
    connection: RedisConnection,
    keys: readonly string[],
    args: readonly ScriptValue[] = [],
  ): Promise<Reply> {
    return connection.ask(async (client) => {
      const call = (command: string, script: string) => {
        const given = [script, keys.length, ...keys, ...args];
        return this.replies === "text" ? client.call(command, given) : client.callBuffer(command, given);
      };
      const reply = await call("evalsha", this.digest).catch((error: Error) => {
        if (!error.message.startsWith("NOSCRIPT")) throw error;
        return call("eval", this.source);
      });
      return reply as Reply;
    });
  }
}
