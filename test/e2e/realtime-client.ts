/** A client of the realtime socket for tests, and recordings as a microphone would give them. */
import { WaveFile } from "wavefile";
import { WebSocket } from "ws";
import { recording } from "../fixtures/index.ts";
import type { Sent } from "../helpers/live.ts";

export interface Told extends Sent {
  /** How much audio had been sent when it came. */
  readonly sentMs: number;
}

interface Wanted {
  /** Of the server: ws://... */
  readonly url: string;
  readonly path?: string;
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
}

export class RealtimeClient implements Disposable {
  readonly events: Told[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<{ code: number; reason: string }>;
  sentMs = 0;
  private readonly waiting = new Set<() => void>();
  private isClosed = false;

  constructor({ url, path = "/v1/realtime?intent=transcription", protocols = [], headers = {} }: Wanted) {
    this.socket = new WebSocket(url.replace(/^http/, "ws") + path, protocols, { headers });
    this.socket.on("error", () => {}); // comes with a close
    this.socket.on("message", (data) => {
      this.events.push({ ...JSON.parse(String(data)), sentMs: this.sentMs });
      this.wake();
    });
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => {
        this.isClosed = true;
        this.wake();
        resolve({ code, reason: String(reason) });
      });
    });
  }

  /** Resolves when there are `count` events of the type. */
  async has(type: string, count = 1): Promise<Told[]> {
    for (;;) {
      const found = this.all(type);
      if (found.length >= count) return found;
      if (this.isClosed)
        throw new Error(`Expected ${type} but received ${JSON.stringify(this.events.at(-1))}`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  /** Those that came until now, by the last part of their type. */
  all(type: string): Told[] {
    return this.events.filter((event) => event.type === type || event.type.endsWith(`.${type}`));
  }

  /** Calls `act` when something can be sent, now or later. */
  whenOpen(act: () => void): void {
    if (this.socket.readyState === WebSocket.OPEN) act();
    else this.socket.on("open", act);
  }

  send(type: string, fields: object = {}): void {
    this.socket.send(JSON.stringify({ type, ...fields }));
  }

  /** Settings under audio.input. */
  configure(input: object): void {
    this.send("session.update", { session: { type: "transcription", audio: { input } } });
  }

  append({ bytes, bytesPerMs }: Sound): void {
    this.send("input_audio_buffer.append", { audio: Buffer.from(bytes).toString("base64") });
    this.sentMs += bytes.length / bytesPerMs;
  }

  /** Speaks at the pace of a clock, 20 ms at a time, and goes on with silence until `isHeard`. */
  async speak(sound: Sound, isHeard: () => boolean): Promise<void> {
    const { bytesPerMs, bytes } = sound;
    const startedAt = performance.now();
    for (let ms = 0; ms * bytesPerMs < bytes.length || !isHeard(); ms += 20) {
      const part = bytes.subarray(ms * bytesPerMs, (ms + 20) * bytesPerMs);
      this.append({ bytes: part.length > 0 ? part : new Uint8Array(20 * bytesPerMs), bytesPerMs });
      await Bun.sleep(Math.max(0, startedAt + ms + 20 - performance.now()));
    }
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

/** Samples of one channel without a header. */
export interface Sound {
  readonly bytes: Uint8Array;
  readonly bytesPerMs: number;
}

/** A mono wav of the fixtures as it comes from a microphone of this rate, or from a telephone. */
export async function sound(name: string, as: number | "pcmu" | "pcma"): Promise<Sound> {
  const wave = new WaveFile(await Bun.file(recording(name).path).bytes());
  const rate = typeof as === "number" ? as : 8000;
  if (rate !== 16_000) wave.toSampleRate(rate);
  if (as === "pcmu") wave.toMuLaw();
  if (as === "pcma") wave.toALaw();
  const { samples } = wave.data as { samples: Uint8Array };
  return { bytes: samples, bytesPerMs: typeof as === "number" ? (2 * as) / 1000 : 8 };
}
