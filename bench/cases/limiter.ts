import { DiskBlobs } from "../../src/store/blobs/disk.ts";
import type { Limiter } from "../../src/store/limiter.ts";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import { redisServer, startRedis } from "../../test/helpers/redis.ts";
import type { Case } from "../bench.ts";
import { temporaryFolder } from "../process.ts";

const takes = 1000;
const buckets = [
  { name: "minute", capacity: 1_000_000, windowMs: 60_000 },
  { name: "hour", capacity: 1_000_000, windowMs: 3_600_000 },
];

/** What a request pays for its limits: the mean of many takes from two buckets, one after the other and all at once. */
export const limiter: Case = {
  name: "limiter",
  about: "taking a token from two buckets, on SQLite and on Redis",
  async run(bench, table) {
    if (!bench.settings.contenders.includes("whisper-api")) return;
    const measure = async (store: string, limiter: Limiter) => {
      const take = () => limiter.take("addr:203.0.113.7", buckets, 1);
      for (let count = 0; count < takes; count += 1) await take();
      for (let repetition = 0; repetition < bench.settings.repetitions; repetition++) {
        const startedAt = performance.now();
        for (let count = 0; count < takes; count += 1) await take();
        const between = performance.now();
        await Promise.all(Array.from({ length: takes }, take));
        const endedAt = performance.now();
        table.add("limiter", `${store}, in turn`, "ms", "whisper-api", (between - startedAt) / takes);
        table.add("limiter", `${store}, at once`, "ms", "whisper-api", (endedAt - between) / takes);
      }
    };

    const directory = temporaryFolder();
    const drop = () => {};
    const log = { debug: drop, info: drop, warn: drop, error: drop };
    const options = { log, cache: { ttlMs: 1000, maxBytes: 0 }, blobs: new DiskBlobs(directory) };
    const files = openSqliteStore(directory, options);
    await measure("SQLite", files.limiter);
    await files.close();

    if (redisServer === null) {
      table.notes.add("limiter: Redis is not measured, there is no redis-server");
      return;
    }
    await using redis = await startRedis("--appendonly", "no");
    const shared = openRedisStore({ url: redis.url, prefix: "bench", ...options });
    while (!shared.isAvailable) await Bun.sleep(1);
    await measure("Redis", shared.limiter);
    await shared.close();
  },
};
