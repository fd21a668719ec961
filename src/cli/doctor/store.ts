/** Where the server keeps what outlives a request: whether it can be written to, as the server would do it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "../../config/load.ts";
import type { Config } from "../../config/settings.ts";
import type { Logger } from "../../log.ts";
import { openBlobs } from "../../store/blobs/open.ts";
import { openStore } from "../../store/open.ts";
import { availableWithin } from "../../store/store.ts";
import type { Finding } from "../doctor.ts";

const patienceMs = 3000;
/** There is neither a delivery nor a recording of such an id: a worker that meets the job forgets it. */
const id = "doctor";

/** Says nothing where there are no files yet: whether they can be made is a finding about the folder. */
export async function* checkStore(config: Config): AsyncGenerator<Finding> {
  const { redisUrl, dataDir, blobUrl } = config;
  if (redisUrl !== "" || existsSync(join(dataDir, "state.db"))) yield await checkDatabase(config);
  if (blobUrl !== "") yield await checkBucket(config);
}

/** Writes into it and takes that back. */
async function checkDatabase(config: Config): Promise<Finding> {
  let away = "no answer in time";
  // Why Redis is away is only logged. That it may come back is of no use here.
  const told = Promise.withResolvers<false>();
  const warn: Logger["warn"] = (_, fields) => {
    away = String(fields?.error);
    told.resolve(false);
  };
  const quiet = () => {};
  try {
    // Its recordings are not asked for here.
    const store = await openStore(
      { ...config, blobUrl: "" },
      { debug: quiet, info: quiet, error: quiet, warn },
    );
    try {
      const isThere = await Promise.race([availableWithin(store, patienceMs), told.promise]);
      if (!isThere) return databaseFails(config, away);
      await store.jobs.add("delivery", id, 60_000);
      await store.jobs.remove("delivery", id);
    } finally {
      await store.close();
    }
    return { level: "ok", topic: "Store", text: `${databaseOf(config)} can be written to` };
  } catch (error) {
    return databaseFails(config, reasonOf(error));
  }
}

function databaseFails(config: Config, problem: string): Finding {
  const text = `${databaseOf(config)} cannot be used: ${problem}`;
  return { level: "fail", topic: "Store", text, remedy: remedyFor(config, problem) };
}

function remedyFor({ redisUrl }: Config, problem: string): string {
  if (redisUrl === "") return "Give its files to the user who runs this, or set DATA_DIR to another folder.";
  if (/WRONGPASS|NOAUTH|NOPERM|invalid password/i.test(problem))
    return "Correct user and password in REDIS_URL: redis://user:password@host:6379/0.";
  if (/READONLY/.test(problem)) return "Set REDIS_URL to the primary: this one is a replica.";
  if (/OOM|MISCONF/.test(problem)) return "Give that Redis more memory, or room on its disk.";
  return "Start Redis there, correct REDIS_URL, or unset it to keep everything in DATA_DIR.";
}

async function checkBucket(config: Config): Promise<Finding> {
  const topic = "Bucket";
  const { blobUrl, s3Endpoint } = config;
  try {
    await (await openBlobs(config).open(id))?.[Symbol.asyncDispose]();
    return { level: "ok", topic, text: `${blobUrl} answers` };
  } catch (error) {
    return {
      ...{ level: "fail", topic },
      text: `${blobUrl}${s3Endpoint && ` at ${s3Endpoint}`} cannot be used: ${reasonOf(error)}`,
      remedy:
        "Correct BLOB_URL, S3_ENDPOINT and the key for it, or unset BLOB_URL to keep recordings in DATA_DIR.",
    };
  }
}

/** Without user and password. */
function databaseOf({ redisUrl, dataDir }: Config): string {
  if (redisUrl === "") return join(dataDir, "state.db");
  const { hostname, port } = new URL(redisUrl);
  return `Redis at ${hostname}:${port || 6379}`;
}

/** The store says that it is unavailable; why is behind it. */
function reasonOf(error: unknown): string {
  if (error instanceof ConfigError) return error.problems.join("; ");
  const { cause, message } = error as Error;
  return cause instanceof Error ? cause.message : message;
}
