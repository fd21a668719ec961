/** What the microphone hears, as 16-bit PCM of one channel. */
import { Refusal } from "./api.ts";
import workletUrl from "./microphone.worklet.js" with { type: "file" };

export interface Microphone {
  readonly sampleRate: number;
  /** Resolves when all that was heard has been told, or cannot be. */
  stop(): Promise<void>;
}

export interface Heard {
  readonly pcm: Int16Array<ArrayBuffer>;
  /** 0..1 */
  readonly peak: number;
  readonly sampleRate: number;
}

/** What most realtime services take; where the browser cannot convert, its own rate. */
const wantedRate = 24_000;

/** For an audio thread that stands still: what was said must not wait for it. */
const patienceMs = 1000;

const insecure =
  "Browsers give the microphone only to pages that come over https or from localhost. Open this page that way.";
const reasons: Readonly<Record<string, string>> = {
  NotAllowedError: "The browser did not let this page use the microphone. Allow it, then try again.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program.",
};

/** Asks for the microphone and tells what it hears, 40 ms at a time. Throws Refusal. */
export async function openMicrophone(onHeard: (heard: Heard) => void): Promise<Microphone> {
  if (!navigator.mediaDevices) throw new Refusal(insecure);
  const stream = await navigator.mediaDevices
    .getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } })
    .catch((error: DOMException) => {
      throw new Refusal(reasons[error.name] ?? `The microphone cannot be used: ${error.message}`);
    });
  const release = () => {
    for (const track of stream.getTracks()) track.stop();
  };
  try {
    const { context, source } = connect(stream);
    await context.audioWorklet.addModule(workletUrl);
    const worklet = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0, channelCount: 1 });
    const ended = Promise.withResolvers<void>();
    worklet.port.onmessage = ({ data }: MessageEvent<Heard | null>) =>
      data === null ? ended.resolve() : onHeard(data);
    source.connect(worklet);
    return {
      sampleRate: context.sampleRate,
      async stop() {
        worklet.port.postMessage(null);
        const late = setTimeout(ended.resolve, patienceMs);
        await ended.promise;
        clearTimeout(late);
        release();
        void context.close(); // may take as long as it likes
      },
    };
  } catch (error) {
    release();
    throw new Refusal(`The microphone cannot be used: ${(error as Error).message}`);
  }
}

function connect(stream: MediaStream) {
  const context = new AudioContext({ sampleRate: wantedRate });
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    // Firefox does not connect what has another rate.
    void context.close();
    const own = new AudioContext();
    return { context: own, source: own.createMediaStreamSource(stream) };
  }
}

/** The pieces as a file. */
export function waveFile(pieces: readonly Int16Array<ArrayBuffer>[], sampleRate: number): Blob {
  const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, letters: string) =>
    [...letters].forEach((letter, index) => {
      header.setUint8(at + index, letter.charCodeAt(0));
    });
  text(0, "RIFF");
  header.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, sampleRate, true);
  header.setUint32(28, 2 * sampleRate, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, bytes, true);
  return new Blob([header, ...pieces], { type: "audio/wav" });
}
