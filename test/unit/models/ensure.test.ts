import { beforeEach, expect, test } from "bun:test";
import { existsSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { LogFields, Logger } from "../../../src/log.ts";
import { speechModels, vadModels } from "../../../src/models/catalog.ts";
import { type EnsureOptions, ensureModel, ensureVad } from "../../../src/models/ensure.ts";
import { folderForEachTest } from "../../helpers/folder-hooks.ts";

const folder = folderForEachTest();
let lines: { level: string; message: string; fields: LogFields | undefined }[];
beforeEach(() => {
  lines = [];
});

const note = (level: string) => (message: string, fields?: LogFields) =>
  void lines.push({ level, message, fields });
const log: Logger = { debug: note("debug"), info: note("info"), warn: note("warn"), error: note("error") };

/** Nothing listens on port 1. */
const offline = "http://127.0.0.1:1/models";

const options = (name: string, url = offline): EnsureOptions => ({
  name,
  dir: folder.path,
  url,
  log,
  limits: { connectMs: 2_000, stallMs: 2_000, retries: 0, backoffMs: 1 },
});

/** A file of that size, without its content. */
function sparse(name: string, bytes: number): string {
  const path = join(folder.path, name);
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

test("an unknown name is refused with the nearest names", async () => {
  const message = (name: string) => ensureModel(options(name)).catch((error) => error.message);
  expect(await message("bsae")).toStartWith(
    'Expected a known model or a path for WHISPER_MODEL but received "bsae". The nearest names: base,',
  );
  expect(await message("large")).toContain("large-v1, large-v2, large-v3");
  expect(await message("large-v3-turbo-q5_1")).toContain("The nearest names: large-v3-turbo-q5_0,");
  expect(await message("../x")).toContain('Expected an existing file for the model but received "../x"');
  expect(await message("__proto__")).toContain("Expected a known model");
});

test("a path must exist", async () => {
  for (const name of ["missing.bin", "./missing", join(folder.path, "missing.bin"), "/"]) {
    expect(await ensureModel(options(name)).catch((error) => error.message)).toBe(
      `Expected an existing file for the model but received ${JSON.stringify(name)}`,
    );
  }
});

test("a path is used as it is, and names the model", async () => {
  const path = sparse("ggml-my-own.bin", 5);
  expect(await ensureModel(options(path))).toEqual({ path, id: "my-own", warning: null });
  expect((await ensureModel(options("ggml-my-own.bin"))).path).toBe(path);
});

test("installed weights need no network", async () => {
  const tiny = speechModels.find(({ name }) => name === "tiny-q5_1");
  if (!tiny) throw new Error("Expected tiny-q5_1 in the catalogue");
  const path = sparse(tiny.file, tiny.bytes);
  expect(await ensureModel(options("tiny-q5_1"))).toEqual({ path, id: "tiny-q5_1", warning: null });
  expect(lines).toEqual([]);
});

test("weights that cannot be had are replaced by the bundled demo, which says what it cannot do", async () => {
  const { path, id, warning } = await ensureModel(options("base"));
  expect(id).toBe("demo");
  expect(existsSync(path)).toBe(true);
  expect(warning).toContain("The weights of base could not be downloaded");
  expect(warning).toContain("about 130 English words");
  expect(warning).toContain("human speech");
  expect(warning).toContain("MODELS_DIR");
  expect(warning).not.toContain(folder.path);
  expect(lines.at(-1)).toMatchObject({ level: "warn", message: warning ?? "" });
  expect(String(lines.at(-1)?.fields?.reason)).toContain("cannot be reached");
});

test("the demo that was asked for still says what it cannot do", async () => {
  const byName = await ensureModel(options("demo"));
  expect(byName).toMatchObject({ id: "demo", warning: expect.stringContaining("about 130 English words") });
  expect(await ensureModel(options(byName.path))).toEqual(byName);
});

test("a file of another size is downloaded again, and stays until it is replaced", async () => {
  using server = Bun.serve({ port: 0, fetch: () => new Response(null, { status: 404 }) });
  const path = sparse("ggml-tiny.bin", 10);
  const { id } = await ensureModel(options("tiny", server.url.href));
  expect(id).toBe("demo");
  expect(existsSync(path)).toBe(true);
  expect(lines[0]?.message).toBe(`Expected 77691713 bytes for ${path} but found 10: downloading it again`);
});

test("the file is asked for under its published name", async () => {
  const paths: string[] = [];
  using server = Bun.serve({
    port: 0,
    fetch(request) {
      paths.push(new URL(request.url).pathname);
      return new Response(null, { status: 404 });
    },
  });
  await ensureModel(options("base.en-q5_1", `${server.url.origin}/mirror/`));
  await ensureVad(options("silero-v6.2.0", `${server.url.origin}/vad`));
  expect(paths).toEqual(["/mirror/ggml-base.en-q5_1.bin", "/vad/ggml-silero-v6.2.0.bin"]);
});

test("a folder that cannot be written is a reason for the demo, not for a crash", async () => {
  writeFileSync(join(folder.path, "file"), "");
  const { id } = await ensureModel({ ...options("base"), dir: join(folder.path, "file", "models") });
  expect(id).toBe("demo");
});

test("an abort is not mistaken for a missing network", async () => {
  const reason = new Error("shutting down");
  const signal = AbortSignal.abort(reason);
  expect(await ensureModel({ ...options("base"), signal }).catch((error) => error)).toBe(reason);
  expect(await ensureVad({ ...options("silero-v6.2.0"), signal }).catch((error) => error)).toBe(reason);
});

test("voice activity detection may be missing, unknown or off, and is never fatal", async () => {
  expect(await ensureVad(options("off"))).toEqual({ path: null, warning: null });
  for (const name of ["silero-v6.2.0", "silero", "/nowhere/vad.bin"]) {
    const { path, warning } = await ensureVad(options(name));
    expect(path).toBeNull();
    expect(warning).toContain("Voice activity detection is not available");
  }
  const [silero] = vadModels;
  if (!silero) throw new Error("Expected weights for voice activity detection in the catalogue");
  const path = sparse(silero.file, silero.bytes);
  expect(await ensureVad(options(silero.name))).toEqual({ path, warning: null });
});
