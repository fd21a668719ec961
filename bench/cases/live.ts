import { type Case, measure } from "../bench.ts";
import { summarize } from "../stats.ts";

const name = "en-segments.wav";
const rate = 16_000;
const chunkMs = 20;
const idle = 32;
const speaking = 4;

interface ServerEvent {
  readonly type: string;
  readonly item_id?: string;
  readonly audio_end_ms?: number;
}

/** Sockets of the Realtime API: most are silent, some speak a recording at its own pace. Only whisper-api has them. */
export const live: Case = {
  name: "live",
  about: `${idle} idle sockets and ${speaking} that speak: from the end of speech to its text, CPU, memory`,
  async run(bench, table) {
    if (!bench.settings.contenders.includes("whisper-api")) return;
    const samples = (await Bun.file(bench.recording(name)).bytes()).subarray(44);
    for (let repetition = 0; repetition < bench.settings.repetitions; repetition++) {
      const server = await bench.freshServer("whisper-api");
      try {
        await server.transcribe(bench.recording(name), "en");
        const silent = await Promise.all(Array.from({ length: idle }, () => connect(server.url)));
        const run = await measure(server, () =>
          Promise.all(Array.from({ length: speaking }, () => speak(server.url, samples))),
        );
        for (const socket of silent) socket.close();
        const add = (what: string, value: number) => table.add("live", what, "ms", server.name, value);
        const firsts = run.value.map(({ firstMs }) => firstMs);
        const latencies = run.value.flatMap(({ latenciesMs }) => latenciesMs).toSorted((a, b) => a - b);
        add("first delta after the start of speech, median", summarize(firsts).median);
        add("end of turn to its text, median", summarize(latencies).median);
        add("end of turn to its text, 95 %", latencies[Math.floor(latencies.length * 0.95)] ?? Number.NaN);
        if (run.cpuMs !== null) add("CPU per second of real time", (run.cpuMs / run.wallMs) * 1000);
        const bytes = server.peakBytes();
        if (bytes !== null) table.add("live", "peak memory", "MiB", server.name, bytes / 2 ** 20);
      } finally {
        await server.stop();
      }
    }
  },
};

/** Resolves when the session is made and configured. */
async function connect(url: string, onEvent: (event: ServerEvent) => void = () => {}): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/realtime?intent=transcription`);
  const ready = Promise.withResolvers<void>();
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(String(data)) as ServerEvent;
    if (event.type === "session.updated") ready.resolve();
    if (event.type === "error") ready.reject(new Error(String(data)));
    onEvent(event);
  };
  socket.onclose = ({ code }) => ready.reject(new Error(`The socket was closed with ${code}`));
  socket.onopen = () => {
    const transcription = { model: "whisper-1", language: "en", delay: "low" };
    const input = {
      format: { type: "audio/pcm", rate },
      transcription,
      turn_detection: { type: "server_vad" },
    };
    socket.send(
      JSON.stringify({ type: "session.update", session: { type: "transcription", audio: { input } } }),
    );
  };
  await ready.promise;
  return socket;
}

/** Sends the recording as it would be spoken, and two seconds of silence. */
async function speak(url: string, samples: Uint8Array) {
  const stoppedAt = new Map<string, number>();
  const latenciesMs: number[] = [];
  let turns = 0;
  let startedAt = Number.NaN;
  let firstMs = Number.NaN;
  const ended = Promise.withResolvers<void>();
  let isSent = false;
  const socket = await connect(url, ({ type, item_id = "" }) => {
    const now = performance.now();
    if (type.endsWith("speech_started") && Number.isNaN(startedAt)) startedAt = now;
    if (type.endsWith("speech_stopped")) {
      stoppedAt.set(item_id, now);
      turns += 1;
    }
    if (type.endsWith("transcription.delta") && Number.isNaN(firstMs)) firstMs = now - startedAt;
    if (type.endsWith("transcription.completed")) {
      latenciesMs.push(now - (stoppedAt.get(item_id) ?? Number.NaN));
      if (isSent && latenciesMs.length === turns) ended.resolve();
    }
  });
  const bytesPerChunk = (rate / 1000) * chunkMs * 2;
  const padded = new Uint8Array(samples.length + rate * 2 * 2);
  padded.set(samples);
  const begun = performance.now();
  for (let at = 0, chunk = 0; at < padded.length; at += bytesPerChunk, chunk++) {
    await Bun.sleep(Math.max(0, begun + chunk * chunkMs - performance.now())); // the pace of speech
    const audio = padded.subarray(at, at + bytesPerChunk).toBase64();
    socket.send(JSON.stringify({ type: "input_audio_buffer.append", audio }));
  }
  isSent = true;
  if (latenciesMs.length < turns) await ended.promise;
  socket.onclose = null;
  socket.close();
  return { firstMs, latenciesMs };
}
