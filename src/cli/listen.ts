/** `whisper-api listen`: the microphone to text, while one speaks. */
import { Option } from "commander";
import type { ServerEvent } from "../live/events.ts";
import { apiKey } from "./api-key.ts";
import { type Define, exitCodes, Failure, integerOption } from "./command.ts";
import { type Connection, openLocal, openRemote } from "./listening/connection.ts";
import { findRecorder, Recorder, sampleRate } from "./listening/recorder.ts";
import { modelOption } from "./model-option.ts";
import { clock } from "./progress.ts";
import { endOnInterrupt } from "./signals.ts";
import { Display, printResult } from "./terminal.ts";
import { serverAddress } from "./transcription/remote.ts";

export const define: Define = (command) => {
  command
    .option("--input <source>", "In place of the microphone: a file or a URL for ffmpeg; - for stdin.")
    .option("--device <name>", "Microphone, as arecord or ffmpeg names it.")
    .addOption(modelOption("Default: WHISPER_MODEL, or the server's."))
    .option("--language <code>", "Spoken language. Default: it is detected in each turn.")
    .option("--prompt <text>", "Text in the style of what is said, or words that occur in it.")
    .addOption(
      new Option("--delay <how>", "How soon text is wanted while one speaks; sooner costs more.")
        .choices(["minimal", "low", "medium", "high", "xhigh"])
        .default("low"),
    )
    .option("--pause <ms>", "Silence that ends a turn.", "700")
    .option("--host <url>", "Ask a server in place of computing here: http://localhost:8000")
    .option("--api-key <key>", "For the server. Default: API_KEY.")
    .action(listen);
};

interface Given {
  readonly input?: string | undefined;
  readonly device?: string | undefined;
  readonly model?: string | undefined;
  readonly language?: string | undefined;
  readonly prompt?: string | undefined;
  readonly delay: string;
  readonly pause: string;
  readonly host?: string | undefined;
  readonly apiKey?: string | undefined;
}

/** Until Ctrl-C, or the end of the input; what was said until then is still written. A second Ctrl-C ends at once. */
async function listen(options: Given): Promise<void> {
  const server = options.host === undefined ? null : serverAddress(options.host, apiKey(options.apiKey));
  const session = sessionOf(options, server !== null);
  const program = findRecorder(options.input, options.device);
  using display = new Display();
  const transcript = new LiveTranscript(display);
  const untilConnected = endOnInterrupt(display);
  const connecting = server ? openRemote(server, transcript) : openLocal(options.model, display, transcript);
  await using connection = await connecting;
  connection.send({ type: "session.update", session });
  await transcript.configured;
  untilConnected[Symbol.dispose]();

  const recorder = new Recorder(program);
  process.once("SIGINT", () => {
    recorder.stop();
    process.once("SIGINT", () => process.exit(exitCodes.interrupted));
  });
  const startedMs = performance.now();
  const seconds = () => (performance.now() - startedMs) / 1000;
  display.show(() => `${transcript.isSpoken ? "●" : "○"} ${clock(seconds())}  Ctrl-C ends`);
  try {
    await Promise.race([transcript.failure, feed(recorder.samples(), connection)]);
    await Promise.race([transcript.failure, transcript.finish(connection)]);
  } finally {
    recorder.stop();
  }
}

async function feed(samples: AsyncIterable<Uint8Array>, connection: Connection): Promise<void> {
  for await (const bytes of samples) {
    connection.send({ type: "input_audio_buffer.append", audio: bytes.toBase64() });
  }
}

/** OpenAI's session object, as far as it differs from the default. */
function sessionOf({ model, language, prompt, delay, pause }: Given, isRemote: boolean): object {
  const transcription = {
    ...(isRemote && model !== undefined ? { model } : {}),
    ...(language === undefined ? {} : { language }),
    ...(prompt === undefined ? {} : { prompt }),
    delay,
  };
  const input = {
    format: { type: "audio/pcm", rate: sampleRate },
    transcription,
    turn_detection: { type: "server_vad", silence_duration_ms: integerOption("--pause", pause, 0, 60_000) },
  };
  return { type: "transcription", audio: { input } };
}

interface ItemEvent extends ServerEvent {
  readonly item_id?: string;
  readonly delta?: string;
  readonly transcript?: string;
  readonly error?: { readonly message: string; readonly code?: string };
}

/** What the events of a session say: text in a terminal as it comes, else a line for each turn when it is complete. */
class LiveTranscript {
  /** Whether somebody speaks. */
  isSpoken = false;
  readonly configured: Promise<void>;
  /** Rejects when the session ends or refuses; else it stays open. */
  readonly failure: Promise<never>;
  private readonly waiting = new Set<string>();
  private readonly settled = Promise.withResolvers<void>();
  private readonly failed = Promise.withResolvers<never>();
  private becameIdle = () => {};
  private isConfigured = false;

  constructor(private readonly display: Display) {
    this.failure = this.failed.promise;
    this.configured = Promise.race([this.settled.promise, this.failure]);
    // they may come when nobody waits
    this.failure.catch(() => {});
    this.configured.catch(() => {});
  }

  readonly ended = (failure: Failure): void => this.failed.reject(failure);

  readonly received = (event: ItemEvent): void => {
    const item = event.item_id ?? "";
    switch (event.type.replace("conversation.item.input_audio_transcription.", "")) {
      case "session.updated":
        this.isConfigured = true;
        this.settled.resolve();
        break;
      case "error":
        this.refused(event.error);
        break;
      case "input_audio_buffer.speech_started":
        this.isSpoken = true;
        break;
      case "input_audio_buffer.committed":
        this.isSpoken = false;
        this.waiting.add(item);
        break;
      case "delta":
        this.display.write(event.delta ?? "");
        break;
      case "completed":
        if (this.display.showsText) this.display.endText();
        else if (event.transcript) void printResult(`${event.transcript}\n`);
        this.end(item);
        break;
      case "failed":
        this.display.say(event.error?.message ?? "A turn could not be transcribed");
        this.end(item);
        break;
    }
  };

  /** Resolves when all that was said has its text. */
  async finish(connection: Connection): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.becameIdle = resolve;
    const wasSpoken = this.isSpoken;
    if (wasSpoken) connection.send({ type: "input_audio_buffer.commit" });
    if (!wasSpoken && this.waiting.size === 0) return;
    await promise;
  }

  private end(item: string): void {
    this.waiting.delete(item);
    if (this.waiting.size === 0 && !this.isSpoken) this.becameIdle();
  }

  /** What is refused after the beginning concerns one event, not the session. */
  private refused(error: ItemEvent["error"]): void {
    const message = error?.message ?? "The session was refused";
    if (!this.isConfigured) this.failed.reject(new Failure(message, exitCodes.misuse));
    // the turn that was to be ended had just ended by itself
    else if (error?.code !== "input_audio_buffer_commit_empty") this.display.say(message);
  }
}
