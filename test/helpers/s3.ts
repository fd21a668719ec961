/** A real S3 server for tests: a process of its own, which can be stopped where it is. */
import { join } from "node:path";
import { S3Client } from "bun";
import { temporaryFolder } from "./folder.ts";

export interface TestS3 extends AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly client: S3Client;
  /** It takes connections, and answers nothing. */
  pause(): void;
  resume(): void;
}

/** Resolves when it listens. Disposal ends it and removes its data. */
export async function startS3(): Promise<TestS3> {
  const folder = temporaryFolder();
  const bucket = "recordings";
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "s3-server.ts"), folder.path, bucket], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  const endpoint = `http://127.0.0.1:${new TextDecoder().decode(value).trim()}`;
  // What that server knows.
  const credentials = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
  return {
    ...{ endpoint, bucket, ...credentials },
    client: new S3Client({ endpoint, bucket, region: "us-east-1", ...credentials }),
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}
