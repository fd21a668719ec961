/**
 * The compiled program as a stranger has it: in a root with the C library's files, /proc and /dev, and nothing else. That takes the right
 * to change the root, which root has, and others where user namespaces are allowed.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFile, mkdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { recording } from "../fixtures/index.ts";
import { told } from "../helpers/child.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { stallingMirror } from "../helpers/mirror.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { startS3 } from "../helpers/s3.ts";
import { post, textOf } from "./requests.ts";
import { eventually, root, startServer, startWorker } from "./server.ts";
import { find, send, submit } from "./tasks-client.ts";

// The first build compiles the built-in decoders.
setDefaultTimeout(300_000);

const binary = join(root, "dist/whisper-api");
const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
const tools = { PATH: `${Bun.env.PATH}:/usr/sbin:/sbin` };
const canChangeRoot =
  process.platform === "linux" &&
  Bun.spawnSync(["unshare", ...asRoot, "--mount", "chroot", "/", "true"], { env: tools }).success;

let place = "";

/** The program in its root, where the folder `place` is /; the mounts are gone when it is. */
const mounted = (...namespaces: string[]) => [
  ...["unshare", ...asRoot, "--mount", ...namespaces, "sh", "-c"],
  'mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" /whisper-api "$@"',
  place,
];

const env = { ...tools, DATA_DIR: "/data", MODELS_DIR: "/models", VAD_MODEL: "off" };

const run = (...args: string[]) => runWith({}, ...args);

async function runWith(more: Record<string, string>, ...args: string[]) {
  const child = Bun.spawn([...mounted(), ...args], {
    env: { ...env, WHISPER_MODEL: "demo", THREADS: "1", HOST: "127.0.0.1", PORT: "0", ...more },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return told(child);
}

const serve = (more: Record<string, string> = {}, ...args: string[]) =>
  startServer({ program: mounted(), dataDir: "/data", env: { ...env, ...more }, args });

describe.skipIf(!canChangeRoot)("the compiled program in an empty root (needs the right to chroot)", () => {
  const folder = folderForAllTests();
  beforeAll(async () => {
    const built = Bun.spawnSync(["node", "scripts/binary.mjs"], { cwd: root, stdin: "ignore" });
    expect(built.stderr.toString()).toContain(binary);
    expect(built.exitCode).toBe(0);
    place = folder.path;
    for (const folder of ["proc", "dev", "tmp"]) await mkdir(join(place, folder));
    await copyFile(binary, join(place, "whisper-api"));
    for (const name of ["en-sentence.wav", "en-segments.mp3", "en-segments.m4a"])
      await copyFile(recording(name).path, join(place, name));
    // all that the program itself is linked with
    const libraries = Bun.spawnSync(["ldd", binary])
      .stdout.toString()
      .matchAll(/(\/\S+\.so\S*)/g);
    for (const [, path = ""] of libraries) {
      expect(path).toMatch(/\/(ld-linux.*|lib(c|m|dl|pthread|rt))\.so/);
      await mkdir(join(place, dirname(path)), { recursive: true });
      await copyFile(await realpath(path), join(place, path));
    }
  });

  test("says what it was built with", async () => {
    const { code, stdout } = await run("--version");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^whisper-api \d+\.\d+\.\d+\n {2}whisper\.cpp +\d/);
    expect(stdout).toMatch(/^ {2}decoders +built in: wav, mp3, flac, ogg-vorbis$/m);
  });

  test("transcribes what its own decoders read, and says what the rest needs", async () => {
    const { code, stdout, stderr } = await run("transcribe", "/en-sentence.wav", "/en-segments.mp3");
    expect([code, stderr]).toEqual([0, expect.stringContaining("Without FFmpeg's libraries")]);
    expect(stdout.trim().split("\n")).toEqual(
      ["en-sentence.wav", "en-segments.mp3"].map((name) => expect.stringContaining(recording(name).text)),
    );
    const other = await run("transcribe", "/en-segments.m4a");
    expect([other.code, other.stdout]).toEqual([1, ""]);
    expect(other.stderr).toContain("runs without FFmpeg's libraries, which MP4 or M4A files need");
  });

  test("examines itself, and names the library that it misses", async () => {
    const { code, stdout } = await run("doctor");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ok {4}Addon {6}whisper\.cpp /m);
    expect(stdout).toMatch(/^(warn {2}Decoders {3}.*: libav\w+\.so|warn {2}Decoders {3}built without)/m);
  });

  test("says in a sentence that it cannot unpack what it carries, and what to do", async () => {
    const nowhere = { BUN_TMPDIR: "/proc" };
    const { code, stdout, stderr } = await runWith(nowhere, "transcribe", "/en-sentence.wav");
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^The addon cannot be loaded \(whisper-api doctor says more\)\. [^\n]+\n$/);
    const doctor = await runWith(nowhere, "doctor");
    expect(doctor).toMatchObject({ code: 1, stderr: "One thing has to be mended.\n" });
    expect(doctor.stdout).toMatch(/^fail {2}Addon .*\n.*BUN_TMPDIR: it has to be writable/m);
    expect((await runWith(nowhere, "--help")).code).toBe(0);
  });

  test("with weights that are there needs no folder of models that it can write to; without it says so", async () => {
    await copyFile(join(root, "models/demo.bin"), join(place, "own.bin"));
    const found = await runWith(
      { MODELS_DIR: "/proc", WHISPER_MODEL: "/own.bin" },
      "transcribe",
      "/en-sentence.wav",
    );
    expect([found.code, found.stdout]).toEqual([0, `${recording("en-sentence.wav").text}\n`]);
    const bundled = await runWith({ MODELS_DIR: "/proc" }, "transcribe", "/en-sentence.wav");
    expect([bundled.code, bundled.stdout]).toEqual([2, ""]);
    expect(bundled.stderr).toMatch(
      /Expected a folder [^\n]+ for MODELS_DIR but received "\/proc": [^\n]+\n$/,
    );
  });

  test("serves, answers `health`, and ends with 0", async () => {
    await using server = await serve();
    expect(await textOf(await post(server, "en-sentence.wav"))).toBe(recording("en-sentence.wav").text);
    const asked = await run("health", "--url", server.url, "--ready");
    expect(asked).toEqual({
      code: 0,
      stdout: `${server.url} takes work: it is ready, its store available.\n`,
      stderr: "",
    });
    expect(await server.stop()).toBe(0);
    expect(await run("health", "--url", server.url)).toEqual({
      code: 1,
      stdout: "",
      stderr: `${server.url} cannot be reached: ECONNREFUSED.\n`,
    });
  });

  test("carries the page, the documentation, and all that they load", async () => {
    await using server = await serve();
    for (const path of ["/", "/docs"]) {
      const page = await fetch(server.url + path, { headers: { accept: "text/html" } });
      expect([path, page.status, page.headers.get("content-type")]).toEqual([
        path,
        200,
        expect.stringContaining("text/html"),
      ]);
      const links = [...(await page.text()).matchAll(/(?:src|href)="([^"#]+)"/g)].map(
        ([, link = ""]) => link,
      );
      expect(links.length).toBeGreaterThan(1);
      for (const link of links) {
        const file = await fetch(new URL(link, page.url));
        expect([link, file.status]).toEqual([link, 200]);
        expect((await file.bytes()).length).toBeGreaterThan(100);
      }
    }
    const described = (await (await fetch(`${server.url}/docs/json`)).json()) as { paths: object };
    expect(Object.keys(described.paths)).toContain("/v1/audio/transcriptions");
  });

  test.skipIf(redisServer === null)(
    "works on tasks, results and limits through Redis and a bucket (needs redis-server)",
    async () => {
      await using redis = await startRedis();
      await using s3 = await startS3();
      const shared = {
        REDIS_URL: redis.url,
        RATE_LIMITS: "100/day",
        BLOB_URL: `s3://${s3.bucket}/tasks`,
        S3_ENDPOINT: s3.endpoint,
        AWS_ACCESS_KEY_ID: s3.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
      };
      await using server = await serve({ ...shared, DATA_DIR: "/server" }, "--no-worker");
      const { id } = await submit(server.url, "en-sentence.wav");
      await using worker = await startWorker({
        ...{ program: mounted(), dataDir: "/worker", env: { ...env, ...shared, DATA_DIR: "/worker" } },
      });
      const task = await eventually(
        () => find(server.url, id),
        ({ status }) => !["queued", "running"].includes(status),
      );
      expect(task).toMatchObject({ status: "completed", error: null });
      expect(task.segments.map(({ text }) => text.trim())).toEqual([recording("en-sentence.wav").text]);

      const cacheOf = (response: Response) => response.headers.get("x-cache");
      const [first, second] = [
        await send(server.url, "en-digits.wav"),
        await send(server.url, "en-digits.wav"),
      ];
      expect(cacheOf(first)).toBe("miss");
      // what is not yet stored can be joined
      expect(["hit", "join"]).toContain(cacheOf(second) ?? "none");
      await eventually(
        () => send(server.url, "en-digits.wav"),
        (response) => cacheOf(response) === "hit",
      );
      const left = (response: Response) => Number(response.headers.get("x-ratelimit-remaining-requests"));
      expect(left(first) - left(second)).toBe(1);
      expect(await worker.stop()).toBe(0);
      expect(await server.stop()).toBe(0);
    },
  );

  test("ends at SIGTERM as a container's first process, though it still downloads its model", async () => {
    await using mirror = stallingMirror(1000, 77_691_713);
    const child = Bun.spawn([...mounted("--pid", "--fork"), "serve"], {
      env: { ...env, WHISPER_MODEL: "tiny", MODELS_URL: mirror.url },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      await mirror.asked;
      const inner = Bun.spawnSync(["pgrep", "--parent", String(child.pid)])
        .stdout.toString()
        .trim();
      process.kill(Number(inner), "SIGTERM");
      expect(await child.exited).toBe(128 + 15);
    } finally {
      child.kill("SIGKILL");
    }
  });
});
