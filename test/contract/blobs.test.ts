/** The contract on disk and in a bucket, and what each of them does beyond it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { S3Client } from "bun";
import { loadConfig } from "../../src/config/load.ts";
import { DiskBlobs } from "../../src/store/blobs/disk.ts";
import { openBlobs } from "../../src/store/blobs/open.ts";
import { S3Blobs } from "../../src/store/blobs/s3.ts";
import { StoreUnavailable } from "../../src/store/store.ts";
import { folderForEachTest } from "../helpers/folder-hooks.ts";
import { startS3, type TestS3 } from "../helpers/s3.ts";
import { blobsContract } from "./blobs.ts";

blobsContract("blobs on disk", async (directory) => new DiskBlobs(directory));

const folder = folderForEachTest();

const file = async (content: string | Uint8Array, path = join(folder.path, "upload")) => {
  await Bun.write(path, content);
  return path;
};
const unavailable = (promise: Promise<unknown>) => expect(promise).rejects.toBeInstanceOf(StoreUnavailable);

describe("blobs on disk", () => {
  test("are in a folder that only this user can enter, and take the file instead of copying it", async () => {
    const dir = join(folder.path, "blobs");
    const blobs = new DiskBlobs(dir);
    const path = await file("content");
    const { ino } = await stat(path);
    await blobs.put("blob_1", path);
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect((await stat(join(dir, "blob_1"))).ino).toBe(ino);
  });

  test.skipIf(process.platform !== "linux" || process.getuid?.() !== 0)(
    "are copied whole from another file system (needs root, to make one)",
    async () => {
      const other = join(folder.path, "other");
      await Bun.$`mkdir ${other} && mount -t tmpfs tmpfs ${other}`.quiet();
      try {
        const blobs = new DiskBlobs(join(folder.path, "blobs"));
        await blobs.put("blob_1", await file("content", join(other, "upload")));
        expect(await Bun.file(join(folder.path, "blobs", "blob_1")).text()).toBe("content");
        expect(await readdir(join(folder.path, "blobs"))).toEqual(["blob_1"]);
      } finally {
        await Bun.$`umount ${other}`.quiet();
      }
    },
  );

  test("that are neither files nor ours are not told as old ones", async () => {
    const blobs = new DiskBlobs(folder.path);
    await file("content", join(folder.path, "not.ours"));
    await Bun.$`mkdir ${join(folder.path, "folder")}`.quiet();
    expect(await blobs.olderThan(-1000)).toEqual([]);
  });

  test("whose folder cannot be made are unavailable", async () => {
    const blobs = new DiskBlobs(join(await file("a file"), "blobs"));
    await unavailable(blobs.put("blob_1", await file("content", join(folder.path, "other"))));
    await unavailable(blobs.open("blob_1"));
  });
});

describe("with an S3 server", () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await startS3();
  });
  afterAll(() => s3[Symbol.asyncDispose]());

  const open = (options: { prefix?: string; answerMs?: number; client?: S3Client } = {}) =>
    new S3Blobs({
      client: s3.client,
      prefix: `${crypto.randomUUID()}/`,
      dir: join(folder.path, "copies"),
      ...options,
    });

  blobsContract(
    "blobs in a bucket",
    async (dir) => new S3Blobs({ client: s3.client, prefix: `${crypto.randomUUID()}/`, dir }),
  );

  test("removes the copy when it is disposed of, and copies of processes that died long ago", async () => {
    const blobs = open();
    await blobs.put("blob_1", await file("content"));
    const leftover = await file("leftover", join(folder.path, "copies", "leftover"));
    await utimes(leftover, 0, 0);
    const opened = await blobs.open("blob_1");
    expect(await readdir(join(folder.path, "copies"))).toHaveLength(1);
    await opened?.[Symbol.asyncDispose]();
    expect(await readdir(join(folder.path, "copies"))).toEqual([]);
  });

  test("keeps apart what has another prefix", async () => {
    await open({ prefix: "a/" }).put("blob_1", await file("content"));
    expect(await open({ prefix: "b/" }).open("blob_1")).toBeNull();
    expect(await open({ prefix: "b/" }).olderThan(-2000)).toEqual([]);
    expect(await open({ prefix: "a/" }).olderThan(-2000)).toEqual(["blob_1"]);
  });

  test("tells of more old blobs than one page of a list holds", async () => {
    const prefix = "many/";
    const names = Array.from({ length: 1001 }, (_, n) => `blob_${n}`);
    for (let n = 0; n < names.length; n += 50)
      await Promise.all(names.slice(n, n + 50).map((name) => s3.client.write(prefix + name, "x")));
    expect([...(await open({ prefix }).olderThan(-2000))].sort()).toEqual(names.sort());
  }, 60_000);

  test("does not take a missing bucket or refused credentials for a missing blob", async () => {
    const elsewhere = { endpoint: s3.endpoint, region: "us-east-1" };
    const { bucket, accessKeyId, secretAccessKey } = s3;
    const clients = {
      bucket: new S3Client({ ...elsewhere, bucket: "missing", accessKeyId, secretAccessKey }),
      id: new S3Client({ ...elsewhere, bucket, accessKeyId: "nobody", secretAccessKey }),
      secret: new S3Client({ ...elsewhere, bucket, accessKeyId, secretAccessKey: "wrong" }),
    };
    for (const client of Object.values(clients)) {
      await unavailable(open({ client }).open("blob_1"));
      await unavailable(open({ client }).put("blob_1", await file("content")));
    }
    await unavailable(open({ client: clients.bucket }).olderThan(0));
    await unavailable(open({ client: clients.id }).olderThan(0));
  });

  test("is unavailable when nothing is there, and when it does not answer", async () => {
    const nobody = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = nobody;
    nobody.stop(true);
    const { bucket, accessKeyId, secretAccessKey } = s3;
    const endpoint = `http://127.0.0.1:${port}`;
    const client = new S3Client({ endpoint, bucket, accessKeyId, secretAccessKey, region: "us-east-1" });
    const blobs = open({ answerMs: 200 });
    s3.pause();
    try {
      for (const away of [open({ client }), blobs]) {
        await unavailable(away.put("blob_1", await file("content")));
        await unavailable(away.open("blob_1"));
        await unavailable(away.remove("blob_1"));
        await unavailable(away.olderThan(0));
      }
    } finally {
      s3.resume();
    }
    expect(await readdir(join(folder.path, "copies")).catch(() => [])).toEqual([]);
  });

  test("says what the server answered, but no signature", async () => {
    const client = new S3Client({ ...s3, bucket: "missing", region: "us-east-1" });
    const error: Error = await open({ client })
      .open("blob_1")
      .then(
        () => new Error("opened"),
        (reason) => reason,
      );
    expect(String(error.cause)).toBe("Error: S3 answered 404 NoSuchBucket");
    expect(Bun.inspect(error)).not.toContain("Signature");
  });

  test("is what BLOB_URL opens", async () => {
    const env = {
      S3_ENDPOINT: s3.endpoint,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    };
    const url = `s3://${s3.bucket}/some/path`;
    const { config } = loadConfig({ ...env, BLOB_URL: url, DATA_DIR: folder.path });
    await openBlobs(config).put("blob_1", await file("content"));
    expect(await s3.client.file("some/path/blob_1").text()).toBe("content");
    const without = { ...loadConfig({ BLOB_URL: url }).config, dataDir: folder.path };
    expect(() => openBlobs(without)).toThrow(/AWS_ACCESS_KEY_ID/);
  });
});
