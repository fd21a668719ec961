/** The store that the settings name. */
import { ConfigError } from "../config/load.ts";
import type { Config } from "../config/settings.ts";
import type { Logger } from "../log.ts";
import { openBlobs } from "./blobs/open.ts";
import { openSqliteStore } from "./sqlite/open.ts";
import type { Store, StoreOptions } from "./store.ts";

/** Redis where it is set, else files. Throws ConfigError when these cannot be used. */
export async function openStore(config: Config, log: Logger): Promise<Store> {
  const cache = { ttlMs: config.cacheTtlMs, maxBytes: config.cacheMaxBytes };
  const options = { log, cache, blobs: openBlobs(config) };
  if (config.redisUrl === "") return openFiles(config.dataDir, options);
  // Its libraries take 50 ms to load.
  const { openRedisStore } = await import("./redis/open.ts");
  return openRedisStore({ url: config.redisUrl, prefix: config.redisPrefix, ...options });
}

function openFiles(dir: string, options: StoreOptions): Store {
  try {
    return openSqliteStore(dir, options);
  } catch (error) {
    const received = `${JSON.stringify(dir)}: ${(error as Error).message}`;
    throw new ConfigError([`Expected a folder that can be written to for DATA_DIR but received ${received}`]);
  }
}
