import { join } from "node:path";
import { S3Client } from "bun";
import { ConfigError } from "../../config/load.ts";
import type { Config } from "../../config/settings.ts";
import type { Blobs } from "../blobs.ts";
import { DiskBlobs } from "./disk.ts";
import { S3Blobs } from "./s3.ts";

/** In a bucket where BLOB_URL names one, else in DATA_DIR. Asks nothing of S3; throws ConfigError without credentials for it. */
export function openBlobs(config: Config): Blobs {
  if (config.blobUrl === "") return new DiskBlobs(join(config.dataDir, "blobs"));
  const { awsAccessKeyId: accessKeyId, awsSecretAccessKey: secretAccessKey } = config;
  if (accessKeyId === "" || secretAccessKey === "")
    throw new ConfigError(["Expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY beside BLOB_URL"]);
  const { hostname: bucket, pathname } = new URL(config.blobUrl);
  const client = new S3Client({
    ...{ bucket, accessKeyId, secretAccessKey, region: config.s3Region },
    ...(config.awsSessionToken === "" ? {} : { sessionToken: config.awsSessionToken }),
    ...(config.s3Endpoint === "" ? {} : { endpoint: config.s3Endpoint }),
  });
  const path = pathname.replace(/^\/|\/$/g, "");
  return new S3Blobs({ client, prefix: path && `${path}/`, dir: join(config.dataDir, "downloads") });
}
