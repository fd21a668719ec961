/** Live transcription: the microphone goes to /v1/realtime, and its turns become the segments of a recording. */
import { batch, signal } from "@preact/signals";
import { postJson, Refusal, unreachable } from "./api.ts";
import { type Heard, type Microphone, openMicrophone, waveFile } from "./microphone.ts";
import { cancel, show } from "./queue.ts";
import { Recording } from "./recording.ts";
import { options } from "./settings.ts";
import { spokenSegment } from "./wire.ts";

/** Server events, by the fields that matter here. */
interface ServerEvent {
  readonly type: string;
  readonly item_id?: string;
  readonly audio_start_ms?: number;
  readonly audio_end_ms?: number;
  readonly delta?: string;
  readonly transcript?: string;
  readonly error?: { readonly message: string; readonly code?: string | null };
}

interface Turn {
  startMs: number;
  endMs: number;
  text: string;
  isDone: boolean;
}

/** Nothing was left to commit: all that was said is in turns already. */
const nothingLeft = "input_audio_buffer_commit_empty";
/** A pause that ends a turn. */
const pauseMs = 600;

/** The session that listens now. */
export const live = signal<LiveSession | null>(null);

/** Begins to listen. What is wrong is told by the recording. */
export async function record(): Promise<void> {
  if (live.value) return;
  const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const session = new LiveSession(new Recording(`Recording ${time.replace(":", ".")}.wav`, options.value));
  live.value = session;
  show(session.recording);
  await session.start();
}

export class LiveSession {
  /** How loud the last pieces were, 0..1, the newest last. */
  readonly peaks: number[] = [];
  readonly heardMs = signal(0);
  readonly isStopping = signal(false);
  private readonly turns = new Map<string, Turn>();
  private readonly pieces: Int16Array<ArrayBuffer>[] = [];
  private microphone: Microphone | null = null;
  private socket: WebSocket | null = null;
  private samples = 0;
  /** Of the pieces, in Hz. */
  private rate = 0;
  /** Whether the server has answered the last commit. */
  private isCommitted = false;

  constructor(readonly recording: Recording) {}

  async start(): Promise<void> {
    const { recording } = this;
    recording.phase.value = "listening";
    recording.abort.signal.addEventListener("abort", () => this.end());
    try {
      this.microphone = await openMicrophone((heard) => this.hear(heard));
      if (!recording.isUnfinished.value) return this.end();
      await this.connect(this.microphone.sampleRate);
    } catch (error) {
      this.fail(error);
    }
  }

  /** What was said until now is transcribed to its end. */
  async stop(): Promise<void> {
    if (this.isStopping.value) return;
    this.isStopping.value = true;
    await this.microphone?.stop();
    this.microphone = null;
    // Without one it is still being opened: onopen finds that it has ended.
    if (this.socket?.readyState === WebSocket.OPEN) this.send({ type: "input_audio_buffer.commit" });
    else cancel(this.recording);
  }

  private hear({ pcm, peak, sampleRate }: Heard): void {
    this.pieces.push(pcm);
    this.peaks.push(peak);
    this.samples += pcm.length;
    this.rate = sampleRate;
    this.heardMs.value = Math.round((this.samples * 1000) / sampleRate);
    if (this.socket?.readyState === WebSocket.OPEN) this.append(pcm);
  }

  /** A secret, not the key, goes into the URL's place: it fits into a subprotocol, and refusals are HTTP answers. */
  private async connect(rate: number): Promise<void> {
    const { model, language, prompt } = this.recording.options;
    const transcription = {
      delay: "low",
      ...(model === "" ? {} : { model }),
      ...(language === "" ? {} : { language }),
      ...(prompt.trim() === "" ? {} : { prompt: prompt.trim() }),
    };
    const { value } = await postJson<{ value: string }>("v1/realtime/client_secrets", {
      session: {
        type: "transcription",
        audio: {
          input: {
            format: { type: "audio/pcm", rate },
            transcription,
            turn_detection: { type: "server_vad", silence_duration_ms: pauseMs },
          },
        },
      },
    });
    const url = new URL("v1/realtime?intent=transcription", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, ["realtime", `openai-insecure-api-key.${value}`]);
    this.socket = socket;
    socket.onopen = () => {
      for (const piece of this.pieces) this.append(piece);
    };
    socket.onmessage = ({ data }) => this.take(JSON.parse(data) as ServerEvent);
    socket.onclose = () => this.fail(new Refusal(unreachable));
    if (!this.recording.isUnfinished.value) this.end();
  }

  private append(pcm: Int16Array<ArrayBuffer>): void {
    const audio = btoa(String.fromCharCode(...new Uint8Array(pcm.buffer)));
    this.send({ type: "input_audio_buffer.append", audio });
  }

  private send(event: object): void {
    this.socket?.send(JSON.stringify(event));
  }

  private take(event: ServerEvent): void {
    const { type, item_id: id } = event;
    if (type === "error") {
      if (event.error?.code !== nothingLeft) {
        this.fail(new Refusal(event.error?.message ?? unreachable, 0, event.error?.code));
        return;
      }
      this.isCommitted = true;
    }
    if (id !== undefined) {
      const turn = this.turn(id);
      if (type.endsWith("speech_started")) turn.startMs = event.audio_start_ms ?? turn.startMs;
      else if (type.endsWith("speech_stopped"))
        turn.endMs = (event.audio_end_ms ?? turn.endMs + pauseMs) - pauseMs;
      else if (type === "input_audio_buffer.committed") {
        // Silence has ended the others: they are no answer to what was committed here.
        this.isCommitted ||= this.isStopping.value && turn.endMs === 0;
        turn.endMs ||= this.heardMs.value;
      } else if (type.endsWith("transcription.delta")) turn.text += event.delta ?? "";
      else if (type.endsWith("transcription.completed")) {
        turn.text = event.transcript ?? turn.text;
        turn.isDone = true;
      } else if (type.endsWith("transcription.failed")) turn.isDone = true;
      this.tell();
    }
    const isAll = [...this.turns.values()].every(({ isDone }) => isDone);
    if (this.isStopping.value && this.isCommitted && isAll) this.finish("done");
  }

  private turn(id: string): Turn {
    const lastEndMs = [...this.turns.values()].at(-1)?.endMs ?? 0;
    const turn = this.turns.get(id) ?? { startMs: lastEndMs, endMs: 0, text: "", isDone: false };
    this.turns.set(id, turn);
    return turn;
  }

  private tell(): void {
    const turns = [...this.turns.values()].filter(({ text }) => text.trim() !== "");
    const done = turns.filter(({ isDone }) => isDone);
    batch(() => {
      this.recording.segments.value = done.map(({ startMs, endMs, text }, id) =>
        spokenSegment(id, startMs, endMs, ` ${text.trim()}`),
      );
      this.recording.running.value = turns
        .filter(({ isDone }) => !isDone)
        .map(({ text }) => text.trim())
        .join(" ");
    });
  }

  private fail(error: unknown): void {
    if (!this.recording.isUnfinished.value) return;
    this.recording.fail(error);
    this.end();
  }

  private finish(phase: "done"): void {
    this.recording.end(phase);
    this.end();
  }

  /** Lets go of everything; what was heard stays, to be played and transcribed again. Idempotent. */
  private end(): void {
    if (this.socket) {
      this.socket.onclose = null;
      this.socket.close();
    }
    void this.microphone?.stop();
    this.microphone = null;
    if (live.value === this) live.value = null;
    if (this.pieces.length === 0 || this.recording.audio.value) return;
    this.recording.durationMs.value = this.heardMs.value;
    this.recording.audio.value = waveFile(this.pieces, this.rate);
  }
}
