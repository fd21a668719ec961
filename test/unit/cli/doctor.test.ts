import { describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { spread } from "../../../src/cli/bench.ts";
import { checkAddon, checkCpu, checkFfmpeg, checkGpu } from "../../../src/cli/doctor/engine.ts";
import { checkFolders, checkKeys, checkPort } from "../../../src/cli/doctor/place.ts";
import { checkStore } from "../../../src/cli/doctor/store.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";
import { temporaryFolder } from "../../helpers/folder.ts";
import { freePort, redisServer, startRedis } from "../../helpers/redis.ts";
import { startS3 } from "../../helpers/s3.ts";
import { quietOptions } from "../../helpers/stores.ts";

const configOf = (env: Record<string, string>) => loadConfig(env).config;

describe("the doctor on the CPU", () => {
  const flags = "flags\t\t: fpu sse4_2 avx avx2 bmi2 fma f16c avx512f\n";

  test("names what is missing for the build", () => {
    expect(checkCpu(false, flags.replace(" avx2", "").replace(" fma", ""), "x64")).toMatchObject({
      level: "fail",
      text: "x64 without avx2 fma, which the addon is built for",
    });
  });

  test("is content with the baseline", () => {
    expect(checkCpu(false, flags, "x64").level).toBe("ok");
    expect(checkCpu(false, "Features\t: fp asimd asimddp\n", "arm64").level).toBe("ok");
    expect(checkCpu(false, "Features\t: fp asimd\n", "arm64").level).toBe("fail");
  });

  test("does not fail what runs: a build of its own, or an emulated machine", () => {
    expect(checkCpu(true, "Features\t: fp asimd\n", "arm64").level).toBe("ok");
    expect(checkCpu(true, flags, "arm64").level).toBe("ok");
  });

  test("does not guess where features are not listed", () => {
    expect(checkCpu(false, "", "arm64")).toMatchObject({
      level: "ok",
      text: expect.stringContaining("not listed"),
    });
  });
});

describe("the doctor on the addon", () => {
  test.each([
    ["the process died of SIGILL", "lacks what the addon was built for"],
    ["Cannot find module '../build/Release/whisper.node'", "npm start builds it"],
    ["This processor is too old for this build: it needs AVX2", "lacks what the addon was built for"],
    ["/tmp/x.node: failed to map segment from shared object", "BUN_TMPDIR"],
    ["libcuda.so.1: cannot open shared object file", "comes with NVIDIA's driver"],
    ["libcublas.so.13: cannot open shared object file", "part of the CUDA toolkit"],
    ["libvulkan.so.1: cannot open shared object file", "libvulkan1"],
    ["undefined symbol: napi_x", "Build it again"],
  ])("has a remedy for %p", (problem, remedy) => {
    expect(checkAddon({ info: null, problem })).toMatchObject({
      level: "fail",
      remedy: expect.stringContaining(remedy),
    });
  });
});

test("the doctor warns of a GPU that is not there, and of missing decoders", () => {
  expect(checkGpu({ backends: [], devices: [] }, 0).level).toBe("warn");
  expect(checkGpu({ backends: [], devices: [] }, "auto").level).toBe("ok");
  expect(checkGpu({ backends: ["CUDA"], devices: [] }, "auto")).toMatchObject({
    level: "warn",
    text: expect.stringContaining("for CUDA, and no GPU was found: the CPU computes"),
  });
  expect(checkGpu({ backends: ["CUDA"], devices: [] }, "off").level).toBe("ok");
  expect(checkFfmpeg({ ffmpeg: null, missingLibrary: null })).toMatchObject({
    level: "warn",
    remedy: expect.stringContaining("libavformat-dev"),
  });
  const missingLibrary = "libavformat.so.59: cannot open shared object file";
  expect(checkFfmpeg({ ffmpeg: null, missingLibrary })).toMatchObject({
    level: "warn",
    text: expect.stringContaining(missingLibrary),
    remedy: expect.stringContaining("of the version that this program was built with"),
  });
  expect(checkFfmpeg({ ffmpeg: "59.1", missingLibrary: null }).level).toBe("ok");
});

describe("the doctor on a port", () => {
  test("that another program holds says so", async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("OK") });
    try {
      expect(await checkPort(configOf({ HOST: "127.0.0.1", PORT: String(other.port) }))).toMatchObject({
        level: "fail",
        remedy: "Set PORT to another one.",
      });
    } finally {
      await other.stop(true);
    }
  });

  test("that we serve already is content", async () => {
    const ours = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ status: "ok", version: "1.2.3" }),
    });
    try {
      expect(await checkPort(configOf({ HOST: "127.0.0.1", PORT: String(ours.port) }))).toMatchObject({
        level: "ok",
        text: expect.stringContaining("whisper-api 1.2.3"),
      });
    } finally {
      await ours.stop(true);
    }
  });

  test("that is free leaves it free", async () => {
    expect((await checkPort(configOf({ HOST: "127.0.0.1", PORT: "0" }))).level).toBe("ok");
  });

  test("on an address of another machine fails", async () => {
    expect((await checkPort(configOf({ HOST: "192.0.2.1", PORT: "0" }))).level).toBe("fail");
  });
});

describe("the doctor on folders", () => {
  test("fails where one cannot be made, and makes none", async () => {
    using folder = temporaryFolder();
    await Bun.write(join(folder.path, "file"), "");
    const config = configOf({
      DATA_DIR: join(folder.path, "new"),
      UPLOAD_DIR: join(folder.path, "file/x"),
      MODELS_DIR: folder.path,
    });
    const findings = await Array.fromAsync(checkFolders(config));
    expect(findings.map(({ level }) => level)).toEqual(["ok", "fail", "ok"]);
    expect(findings[1]?.remedy).toContain("UPLOAD_DIR");
    expect(await readdir(folder.path)).toEqual(["file"]);
  });
});

describe("the doctor on the store", () => {
  const findings = async (env: Record<string, string>) => Array.fromAsync(checkStore(configOf(env)));

  test("says nothing where there is none yet, and makes none", async () => {
    using folder = temporaryFolder();
    expect(await findings({ DATA_DIR: folder.path })).toEqual([]);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test("is content with files that can be written to, and leaves nothing in them", async () => {
    using folder = temporaryFolder();
    const store = openSqliteStore(folder.path, quietOptions());
    expect(await findings({ DATA_DIR: folder.path })).toMatchObject([{ level: "ok", topic: "Store" }]);
    expect(await store.jobs.count("delivery")).toEqual({ waiting: 0, running: 0 });
    await store.close();
  });

  test("fails when a file is none of ours", async () => {
    using folder = temporaryFolder();
    await Bun.write(join(folder.path, "state.db"), "Dear Anna, ".repeat(1000));
    expect(await findings({ DATA_DIR: folder.path })).toMatchObject([
      {
        level: "fail",
        text: expect.stringContaining("not a database"),
        remedy: expect.stringContaining("DATA_DIR"),
      },
    ]);
  });

  test("fails when nobody answers, and shows no password", async () => {
    const [finding] = await findings({ REDIS_URL: `redis://me:secret@127.0.0.1:${freePort()}` });
    expect(finding).toMatchObject({ level: "fail", text: expect.stringContaining("ECONNREFUSED") });
    expect(JSON.stringify(finding)).not.toContain("secret");
  });

  test("fails when somebody answers who is no Redis", async () => {
    const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    try {
      expect(await findings({ REDIS_URL: `redis://127.0.0.1:${other.port}` })).toMatchObject([
        { level: "fail" },
      ]);
    } finally {
      other.stop(true);
    }
  });

  test("fails without the bucket's key", async () => {
    const found = await findings({ BLOB_URL: "s3://recordings" });
    const finding = found.find(({ topic }) => topic === "Bucket");
    expect(finding).toMatchObject({ level: "fail" });
    expect(finding?.text).toContain("AWS_ACCESS_KEY_ID");
  });

  test.each([
    ["is there", "recordings", "ok"],
    ["is not there", "elsewhere", "fail"],
  ])("asks for a bucket that %s", async (_, bucket, level) => {
    await using s3 = await startS3();
    using folder = temporaryFolder();
    const found = await findings({
      ...{ DATA_DIR: folder.path, BLOB_URL: `s3://${bucket}`, S3_ENDPOINT: s3.endpoint },
      ...{ AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey },
    });
    expect(found).toMatchObject([{ topic: "Bucket", level }]);
  });

  describe.skipIf(redisServer === null)("with a Redis (needs redis-server)", () => {
    test("tells a password that is wrong or missing from one that is right", async () => {
      await using redis = await startRedis("--requirepass", "correct");
      const { host } = new URL(redis.url);
      const level = async (login: string) => {
        const [finding] = await findings({ REDIS_URL: `redis://${login}${host}` });
        return finding;
      };
      expect(await level(":correct@")).toMatchObject({
        level: "ok",
        text: `Redis at ${host} can be written to`,
      });
      for (const login of [":wrong@", ""]) {
        const finding = await level(login);
        expect(finding).toMatchObject({
          level: "fail",
          remedy: expect.stringContaining("password in REDIS_URL"),
        });
        expect(JSON.stringify(finding)).not.toContain("wrong@");
      }
    });

    test("tells that it is a replica, which cannot be written to", async () => {
      await using primary = await startRedis();
      const { port } = new URL(primary.url);
      await using replica = await startRedis("--replicaof", `127.0.0.1 ${port}`);
      expect(await findings({ REDIS_URL: replica.url })).toMatchObject([
        { level: "fail", remedy: expect.stringContaining("primary") },
      ]);
    });
  });
});

test("the doctor warns of a server that is open to all, but not on one's own machine", () => {
  expect(checkKeys({ apiKeys: [], host: "0.0.0.0" }).level).toBe("warn");
  expect(checkKeys({ apiKeys: [], host: "127.0.0.1" }).level).toBe("ok");
  expect(checkKeys({ apiKeys: ["k"], host: "0.0.0.0" }).level).toBe("ok");
});

test.each([
  [[3], { min: 3, median: 3, max: 3 }],
  [[3, 1], { min: 1, median: 2, max: 3 }],
  [[10, 2, 3], { min: 2, median: 3, max: 10 }],
])("the spread of %p is %p", (values, expected) => {
  expect(spread(values)).toEqual(expected);
});
