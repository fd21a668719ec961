/** The store that the settings name. */
import type { Config } from "../config/settings.ts";
import type { Logger } from "../log.ts";
import { openBlobs } from "./blobs/open.ts";
import { openSqliteStore } from "./sqlite/open.ts";
import type { Store } from "./store.ts";

/** Redis where it is set, else files. Throws when these cannot be written. */
export async function openStore(config: Config, log: Logger): Promise<Store> {
  const cache = { ttlMs: config.cacheTtlMs, maxBytes: config.cacheMaxBytes };
  const options = { log, cache, blobs: openBlobs(config) };
  if (config.redisUrl === "") return openSqliteStore(config.dataDir, options);
  // Its libraries take 50 ms to load.
  const { openRedisStore } = await import("./redis/open.ts");
  return openRedisStore({ url: config.redisUrl, prefix: config.redisPrefix, ...options });
}
