/** Live audio through the real server: clients, turns, text while somebody speaks. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "node:net";
import { join } from "node:path";
import { createServer, type Server as TlsServer } from "node:tls";
import { createOpenAI } from "@ai-sdk/openai";
import { experimental_streamTranscribe as streamTranscribe } from "ai";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import OpenAI6 from "openai-6";
import { OpenAIRealtimeWS as OpenAIRealtimeWS6 } from "openai-6/realtime/ws";
import { needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { RealtimeClient, type Sound, sound } from "./realtime-client.ts";
import { eventually, type Server, startServer } from "./server.ts";

setDefaultTimeout(120_000);

const key = "sk-of-the-tests";
const headers = { authorization: `Bearer ${key}` };
const manual = { turn_detection: null, transcription: { model: "whisper-1", language: "en" } };
let server: Server;
beforeAll(async () => {
  server = await startServer({ env: { API_KEY: key } });
});
afterAll(() => server[Symbol.asyncDispose]());

const open = (more: object = {}) => new RealtimeClient({ url: server.url, headers, ...more });

/** The transcript of a sound that is sent at once and committed. */
async function transcriptOf(audio: Sound, input: object, client = open()): Promise<string> {
  using own = client;
  own.whenOpen(() => {
    own.configure({ ...manual, ...input });
    own.append(audio);
    own.send("input_audio_buffer.commit");
  });
  const [completed] = await own.has("completed");
  return completed?.transcript;
}

const rates = [8000, 16_000, 24_000, 44_100, 48_000, 96_000];
test.each(rates)("speech at %d Hz is understood", async (rate) => {
  const audio = await sound("en-digits.wav", rate);
  const format = { type: "audio/pcm", rate };
  expect(await transcriptOf(audio, { format })).toBe(recording("en-digits.wav").text);
});

test.each(["pcmu", "pcma"] as const)("a telephone is understood: %s", async (type) => {
  const audio = await sound("en-digits.wav", type);
  const format = { type: `audio/${type}` };
  expect(await transcriptOf(audio, { format })).toBe(recording("en-digits.wav").text);
});

test.skipIf(!vadModel)(`silence has no words (${needsVadModel})`, async () => {
  const bytes = new Uint8Array(48 * 2000);
  expect(await transcriptOf({ bytes, bytesPerMs: 48 }, {})).toBe("");
});

describe.each([
  ["Silero", {}],
  ["loudness", { VAD_MODEL: "off" }],
])("with turns that are found by %s", (detector, env) => {
  const isThere = detector !== "Silero" || vadModel !== null;
  const { segments } = recording("en-segments.wav");
  const input = {
    format: { type: "audio/pcm", rate: 16_000 },
    turn_detection: { type: "server_vad", silence_duration_ms: 500 },
    transcription: { model: "whisper-1", language: "en", delay: "low" },
  };

  test.skipIf(!isThere)(
    `a conversation in real time has its turns, texts and times${isThere ? "" : ` (${needsVadModel})`}`,
    async () => {
      await using own = await startServer({ env });
      using client = new RealtimeClient({ url: own.url });
      const [created] = await client.has("session.created");
      expect(created?.session.audio.input.detector).toBe(detector === "Silero" ? "silero" : "energy");
      client.configure(input);
      await client.has("session.updated");
      await client.speak(
        await sound("en-segments.wav", 16_000),
        () => client.all("completed").length >= segments.length,
      );

      expect(client.all("error")).toEqual([]);
      const started = client.all("speech_started");
      const stopped = client.all("speech_stopped");
      for (const [index, { start, end, text }] of segments.entries()) {
        const id = started[index]?.item_id;
        expect(Math.abs(started[index]?.audio_start_ms - (1000 * start - 300))).toBeLessThan(300);
        expect(Math.abs(stopped[index]?.audio_end_ms - (1000 * end + 500))).toBeLessThan(300);
        const own = client.events.filter(({ item_id }) => item_id === id);
        const deltas = own.filter(({ type }) => type.endsWith(".delta")).map(({ delta }) => delta);
        const completed = own.find(({ type }) => type.endsWith(".completed"));
        expect(completed?.transcript).toBe(text);
        expect(deltas.join("")).toBe(text);
      }
      expect(started).toHaveLength(segments.length);
      const ids = client.all("committed").map(({ item_id, previous_item_id }) => [item_id, previous_item_id]);
      expect(ids).toEqual(
        started.map(({ item_id }, index) => [item_id, started[index - 1]?.item_id ?? null]),
      );
      // The third one takes 2.6 seconds to say.
      const [first] = client.all("delta").filter(({ item_id }) => item_id === started[2]?.item_id);
      expect(first?.sentMs).toBeLessThan(1000 * (segments[2]?.end ?? 0));
    },
  );
});

describe("a session that is left", () => {
  const busy = async () =>
    (await (await fetch(`${server.url}/ready`)).json()) as { running: number; queued: number };
  const ended = () => server.log().filter(({ message }) => message === "session ended").length;

  test.each(["at once", "after audio", "in a pass", "with turns that wait"])(
    "%s leaves nothing behind",
    async (stage) => {
      const before = ended();
      const audio = await sound("en-segments.wav", 24_000);
      const client = open();
      await client.has("session.created");
      client.configure(manual);
      if (stage !== "at once") client.append(audio);
      if (stage === "in a pass") client.send("input_audio_buffer.commit");
      if (stage === "with turns that wait") {
        for (let turn = 0; turn < 5; turn += 1) {
          client.append(audio);
          client.send("input_audio_buffer.commit");
        }
      }
      if (/pass|wait/.test(stage)) await client.has("committed");
      client.socket.terminate();
      await eventually(
        async () => ended(),
        (count) => count === before + 1,
      );
      await eventually(busy, ({ running, queued }) => running + queued === 0);
    },
  );
});

test("a server that stops says so", async () => {
  await using own = await startServer();
  using client = new RealtimeClient({ url: own.url });
  await client.has("session.created");
  const stopped = own.stop();
  expect((await client.closed).code).toBe(1012);
  expect(await stopped).toBe(0);
});

describe("a browser's secret", () => {
  const { text } = recording("en-digits.wav");

  test("opens a session by a subprotocol", async () => {
    const client = new OpenAI({ apiKey: key, baseURL: `${server.url}/v1` });
    const made = await client.realtime.clientSecrets.create({
      session: { type: "transcription", audio: { input: manual } },
    });
    expect(made.value).toStartWith("ek_");
    const own = new RealtimeClient({
      url: server.url,
      protocols: ["realtime", `openai-insecure-api-key.${made.value}`],
    });
    const audio = await sound("en-digits.wav", 24_000);
    await own.has("session.created");
    expect(own.socket.protocol).toBe("realtime");
    expect(await transcriptOfOpen(own, audio)).toBe(text);
  });

  test("opens one in the beta's shape", async () => {
    const client = new OpenAI6({ apiKey: key, baseURL: `${server.url}/v1` });
    const made = await client.beta.realtime.transcriptionSessions.create({
      input_audio_format: "pcm16",
      input_audio_transcription: { model: "gpt-4o-mini-transcribe", prompt: "", language: "en" },
    });
    const own = new RealtimeClient({
      url: server.url,
      headers: { authorization: `Bearer ${made.client_secret.value}`, "openai-beta": "realtime=v1" },
    });
    await own.has("transcription_session.created");
    own.send("transcription_session.update", { session: { turn_detection: null } });
    expect(await transcriptOfOpen(own, await sound("en-digits.wav", 24_000))).toBe(text);
    expect(own.all("conversation.item.created")).toHaveLength(1);
  });

  async function transcriptOfOpen(client: RealtimeClient, audio: Sound): Promise<string> {
    using own = client;
    own.append(audio);
    own.send("input_audio_buffer.commit");
    const [completed] = await own.has("completed");
    return completed?.transcript;
  }
});

const hasOpenssl = Bun.which("openssl") !== null;
describe.skipIf(!hasOpenssl)("the official client, which insists on TLS (needs openssl)", () => {
  const folder = folderForAllTests();
  let proxy: TlsServer;
  let baseURL: string;
  beforeAll(async () => {
    const [cert, certKey] = [join(folder.path, "cert.pem"), join(folder.path, "key.pem")];
    const command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"];
    const made = Bun.spawnSync([...command, "-keyout", certKey, "-out", cert]);
    if (!made.success) throw new Error(String(made.stderr));
    proxy = createServer(
      { key: await Bun.file(certKey).text(), cert: await Bun.file(cert).text() },
      (socket) => {
        const behind = connect(server.port, "127.0.0.1");
        for (const end of [socket, behind]) end.on("error", () => {});
        socket.pipe(behind).pipe(socket);
      },
    );
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const address = proxy.address();
    baseURL = `https://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/v1`;
  });
  afterAll(() => void proxy?.close());

  const options = { rejectUnauthorized: false };
  const clients = [
    [
      "openai 7, by intent",
      () => new OpenAIRealtimeWS({ intent: "transcription", options }, new OpenAI({ apiKey: key, baseURL })),
    ],
    [
      "openai 7, by model",
      () => new OpenAIRealtimeWS({ model: "whisper-1", options }, new OpenAI({ apiKey: key, baseURL })),
    ],
    [
      "openai 6",
      () =>
        new OpenAIRealtimeWS6(
          { model: "whisper-1", options },
          new OpenAI6({ apiKey: key, baseURL }),
        ) as unknown as OpenAIRealtimeWS,
    ],
  ] as const;

  test.each(clients)("%s, has its transcript", async (_, make) => {
    const audio = await sound("en-digits.wav", 24_000);
    const client = make();
    const transcript = await new Promise<string>((resolve, reject) => {
      client.on("error", reject);
      client.on("conversation.item.input_audio_transcription.completed", (event) =>
        resolve(event.transcript),
      );
      client.socket.on("open", () => {
        client.send({
          type: "session.update",
          session: { type: "transcription", audio: { input: manual } },
        } as never);
        client.send({
          type: "input_audio_buffer.append",
          audio: Buffer.from(audio.bytes).toString("base64"),
        });
        client.send({ type: "input_audio_buffer.commit" });
      });
    });
    client.close();
    expect(transcript).toBe(recording("en-digits.wav").text);
  });

  test("tells its user of an error", async () => {
    const client = clients[0][1]();
    const error = await new Promise<{ error?: { code?: string | null } }>((resolve) => {
      client.on("error", resolve as never);
      client.socket.on("open", () => client.send({ type: "input_audio_buffer.commit" }));
    });
    client.close();
    expect(error.error?.code).toBe("input_audio_buffer_commit_empty");
  });
});

test("the AI SDK, which waits for nothing, has its transcript", async () => {
  const { transcription } = createOpenAI({ apiKey: key, baseURL: `${server.url}/v1` });
  const { bytes } = await sound("en-segments.wav", 16_000);
  const audio = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 3200) controller.enqueue(bytes.slice(at, at + 3200));
      controller.close();
    },
  });
  const result = streamTranscribe({
    model: transcription("gpt-realtime-whisper"),
    audio,
    inputAudioFormat: { type: "audio/pcm", rate: 16_000 },
    providerOptions: { openai: { language: "en", streaming: { delay: "low" } } },
  });
  expect(await result.text).toBe(recording("en-segments.wav").text);
});
