/** What never enters the log of a real server, whatever happens to it. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { recording } from "../fixtures/index.ts";
import { receiver } from "../helpers/receiver.ts";
import { redisServer, startRedis } from "../helpers/redis.ts";
import { RealtimeClient, sound } from "./realtime-client.ts";
import { eventually, root, type Server, startServer } from "./server.ts";

setDefaultTimeout(60_000);

/** As they are used below. Nothing else may contain one of these words. */
const secrets = {
  configuredKey: "sk-configured-marmalade",
  wrongKey: "sk-wrong-but-valid-elsewhere-rhubarb",
  webhookSecret: "whsec_Z29vc2ViZXJyeS1nb29zZWJlcnJ5LWdvb3NlYmVycnk=",
  webhookPath: "token-of-path-quince",
  webhookQuery: "token-of-query-damson",
  signedUrl: "signature-of-url-medlar",
  queryKey: "key-of-query-sloe",
  cookie: "cookie-of-browser-bilberry",
  modelsPassword: "password-of-mirror-mulberry",
  tracesPassword: "password-of-collector-cranberry",
  redisPassword: "password-of-redis-tayberry",
  bucketSecret: "secret-of-bucket-loganberry",
};
/** Said by those who call, or to them: for nobody else, unless somebody looks for a fault. */
const spoken = ["boysenberry prompt", "cloudberry hotword", "One two three", recording("en-digits.wav").text];

/** A session with everything that has a secret in it. Gives secrets that were made on the way. */
async function useEverything(server: Server, env: Record<string, string>): Promise<string[]> {
  const headers = { authorization: `Bearer ${secrets.configuredKey}`, cookie: `session=${secrets.cookie}` };
  const audio = "/v1/audio/transcriptions";
  const form = (fields: Record<string, string>, file: string | null = recording("en-digits.wav").path) => {
    const body = new FormData();
    const all = { beam_size: "1", language: "en", prompt: "boysenberry prompt", ...fields };
    for (const [name, value] of Object.entries(all)) body.append(name, value);
    if (file !== null) body.append("file", Bun.file(file));
    return body;
  };
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(server.url + path, { headers, ...init });
    return { status: response.status, body: await response.text() };
  };
  const post = (fields: Record<string, string> = {}, file?: string | null) =>
    ask(audio, { method: "POST", body: form(fields, file) });

  const child = Bun.spawn([process.execPath, "src/main.ts", "keys", "create", "--name", "Ann"], {
    cwd: root,
    env: { PATH: Bun.env.PATH, DATA_DIR: server.dataDir, ...env },
    stdout: "pipe",
    stderr: "ignore",
  });
  const storedKey = (await new Response(child.stdout).text()).trim();
  expect(storedKey).toStartWith("sk-");

  expect(await post()).toMatchObject({ status: 200 });
  expect(await post({ stream: "true", hotwords: "cloudberry hotword" })).toMatchObject({ status: 200 });
  expect(await post({ temperature: `2${secrets.queryKey}` })).toMatchObject({ status: 400 });
  expect((await post({}, import.meta.path)).status).toBeGreaterThanOrEqual(400);
  await using source = receiver(() => new Response(Bun.file(recording("en-digits.wav").path)));
  expect(await post({ url: `${source.url}/a.wav?X-Amz-Signature=${secrets.signedUrl}` }, null)).toMatchObject(
    {
      status: 200,
    },
  );
  expect((await post({ url: `http://127.0.0.1:1/?s=${secrets.signedUrl}` }, null)).status).toBe(400);
  const refused = { authorization: `Bearer ${secrets.wrongKey}` };
  expect((await ask(`/v1/models?api_key=${secrets.queryKey}`, { headers: refused })).status).toBe(401);
  expect((await ask("/v1/models", { headers: { authorization: `Bearer ${storedKey}` } })).status).toBe(200);
  // by way of a mirror that is not there
  expect((await ask("/v1/models/tiny", { method: "POST" })).body).toContain("model_download_failed");

  await using failing = receiver(() => new Response("no", { status: 410 }));
  const hook = `${failing.url}/${secrets.webhookPath}?t=${secrets.webhookQuery}`;
  const task = await post({
    ...{ async: "true", temperature: "0.1", webhook_url: hook, webhook_secret: secrets.webhookSecret },
  });
  expect(task.status).toBe(202);
  const { id } = JSON.parse(task.body);
  await ask(`${audio}/${id}/events`);
  const made = await ask("/v1/webhooks", {
    method: "POST",
    body: JSON.stringify({ task_id: id, url: hook }),
  });
  await server.logged(({ message }) => message === "webhook disabled");

  const minted = JSON.parse((await ask("/v1/realtime/client_secrets", { method: "POST", body: "{}" })).body);
  expect(minted.value).toStartWith("ek_");
  using client = new RealtimeClient({
    url: server.url,
    protocols: ["realtime", `openai-insecure-api-key.${minted.value}`],
  });
  const speech = await sound("en-digits.wav", 16_000);
  client.whenOpen(() => {
    const transcription = { model: "whisper-1", language: "en", prompt: "boysenberry prompt" };
    client.configure({ turn_detection: null, transcription, format: { type: "audio/pcm", rate: 16_000 } });
    client.append(speech);
    client.send("input_audio_buffer.commit");
  });
  await client.has("completed");
  client.socket.close();
  await server.logged(({ message }) => message === "session ended");
  const { signing_secret: secret } = JSON.parse(made.body);
  expect(secret).toStartWith("whsec_");
  return [storedKey, minted.value, secret];
}

const modes = [
  ["", "false"],
  [" with DEBUG", "true"],
] as const;

describe.each(modes)("the log%s", (_, DEBUG) => {
  test("has no key, secret, credential or token that was used, and only with DEBUG what was said", async () => {
    const env = {
      ...{ API_KEY: secrets.configuredKey, WEBHOOK_ALLOW_PRIVATE: "true" },
      MODELS_URL: `http://mirror:${secrets.modelsPassword}@127.0.0.1:1/models`,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://spans:${secrets.tracesPassword}@127.0.0.1:1`,
      ...{ AWS_ACCESS_KEY_ID: "AKIA-of-the-tests", AWS_SECRET_ACCESS_KEY: secrets.bucketSecret },
    };
    await using server = await startServer({ env: { ...env, DEBUG } });
    const used = await useEverything(server, env);
    expect(await server.stop()).toBe(0);
    expectClean(JSON.stringify(server.log()), DEBUG === "true", used);
    expect(server.log().map(({ message }) => message)).toEqual(
      expect.arrayContaining(["listening", "request", "task completed", "session ended", "stopped"]),
    );
  });
});

test.skipIf(redisServer === null)(
  "a password of Redis is not logged, whether it is right, wrong, or Redis goes away",
  async () => {
    await using redis = await startRedis(
      "--user",
      "tester",
      "on",
      `>${secrets.redisPassword}`,
      "~*",
      "&*",
      "+@all",
    );
    const at = (password: string) => redis.url.replace("//", `//tester:${password}@`);
    const env = { DEBUG: "true", REDIS_URL: at(secrets.redisPassword) };
    await using server = await startServer({ env });
    const available = async () => (await (await fetch(`${server.url}/ready`)).json()) as { store: string };
    await eventually(available, ({ store }) => store === "available");
    await redis.kill();
    await eventually(available, ({ store }) => store === "unavailable");
    await redis.start();
    await eventually(available, ({ store }) => store === "available");
    expect(await server.stop()).toBe(0);
    await using refused = await startServer({
      env: { ...env, REDIS_URL: at(`${secrets.redisPassword}-not`) },
    });
    await refused.logged(({ message }) => message === "Redis is away");
    expect(await refused.stop()).toBe(0);
    expectClean(JSON.stringify([server.log(), refused.log()]), true, []);
  },
);

function expectClean(log: string, isDebug: boolean, used: readonly string[]): void {
  const words = [...Object.values(secrets), ...used, ...(isDebug ? [] : spoken)];
  expect(words.filter((word) => log.includes(word))).toEqual([]);
}
