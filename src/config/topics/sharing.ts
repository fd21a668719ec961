/** What several servers share. */
import type { Notation } from "../../core/notation.ts";
import { baseUrl, optional, setting, text } from "../notations.ts";

const redisUrl: Notation<string> = {
  expected: "a redis or rediss URL",
  parse: (value) => (/^rediss?:\/\//i.test(value) && URL.canParse(value) ? value : undefined),
};

const bucketUrl: Notation<string> = {
  expected: "a bucket, with a path where wanted: s3://bucket/path",
  parse: (value) =>
    /^(s3:\/\/[a-z0-9][a-z0-9.-]+[a-z0-9](\/(?!\.+(\/|$))[\w.-]+)*\/?)?$/.test(value) ? value : undefined,
};

export const sharing = {
  redisUrl: setting(
    "REDIS_URL",
    optional(redisUrl),
    "",
    "Redis that several servers share: redis://user:password@host:6379/0; none = files in DATA_DIR.",
  ),
  redisPrefix: setting("REDIS_PREFIX", text, "whisper", "Before every key in Redis."),
  blobUrl: setting(
    "BLOB_URL",
    optional(bucketUrl),
    "",
    "Bucket in which recordings of tasks wait: s3://bucket/path; none = files in DATA_DIR.",
  ),
  s3Endpoint: setting("S3_ENDPOINT", optional(baseUrl), "", "Where the bucket is; none = Amazon's S3."),
  s3Region: setting("S3_REGION", text, "us-east-1", "Its region."),
  awsAccessKeyId: setting("AWS_ACCESS_KEY_ID", text, "", "Id of the key for the bucket.", true),
  awsSecretAccessKey: setting("AWS_SECRET_ACCESS_KEY", text, "", "The key itself.", true),
  awsSessionToken: setting("AWS_SESSION_TOKEN", text, "", "Its token, where it is a temporary one.", true),
};
