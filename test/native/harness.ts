/** Short forms for the calls of the addon. One thread computes: others work on the same cores. */
import { defaultOptions } from "../../src/core/options.ts";
import {
  type DecodeOptions,
  type Job,
  type Live,
  type LiveOptions,
  type Model,
  type ModelOptions,
  type NativeError,
  native,
  type OnFrames,
  type Pcm,
  type Run,
  type RunEvent,
  type RunOptions,
} from "../../src/native.ts";
import { demoModel, recording } from "../fixtures/index.ts";

export const decodeOptions: DecodeOptions = {
  splitChannels: false,
  maxChannels: 8,
  maxDurationMs: 4 * 3_600_000,
};

const { splitChannels: _, ...ofOneChannel } = defaultOptions;

/** The fastest: one beam, the language is known. */
export const runOptions: RunOptions = {
  ...ofOneChannel,
  seed: 0,
  language: "en",
  beamSize: 1,
  priority: "request",
  tokenEvents: false,
  vadModel: "",
};

export const modelOptions: ModelOptions = { gpu: -1, threads: 1, slots: 8, slotsBytes: 0, kernels: true };

export const openModel = (options: Partial<ModelOptions> = {}): Promise<Model> =>
  native.loadModel(demoModel, { ...modelOptions, ...options }).result;

export const decode = (source: string | Uint8Array, options: Partial<DecodeOptions> = {}): Promise<Pcm> =>
  native.decode(source, { ...decodeOptions, ...options }).result;

export const decodeFixture = (name: string, options: Partial<DecodeOptions> = {}): Promise<Pcm> =>
  decode(recording(name).path, options);

export interface Execution {
  readonly run: Run;
  /** Grows while it runs. */
  readonly events: readonly RunEvent[];
  /** The events up to the terminal one; a second one would be in `events` only. */
  readonly ended: Promise<readonly RunEvent[]>;
}

/** `onEvent` sees each event after it was stored. */
export function start(
  model: Model,
  pcm: Pcm,
  options: Partial<RunOptions> = {},
  onEvent: (event: RunEvent) => void = () => {},
): Execution {
  const events: RunEvent[] = [];
  const ended = Promise.withResolvers<readonly RunEvent[]>();
  const run = model.run(pcm, { ...runOptions, ...options }, (event) => {
    events.push(event);
    if (isTerminal(event)) ended.resolve([...events]);
    onEvent(event);
  });
  return { run, events, ended: ended.promise };
}

export const isTerminal = (event: RunEvent) => event.type === "done" || event.type === "error";

export const segmentsOf = (events: readonly RunEvent[]) =>
  events.flatMap((event) => (event.type === "segment" ? [event.segment] : []));

export const textOf = (events: readonly RunEvent[]) =>
  segmentsOf(events)
    .map((segment) => segment.text)
    .join("")
    .trim();

/** Runs to the end and gives the events. */
export const transcribe = (model: Model, pcm: Pcm, options: Partial<RunOptions> = {}) =>
  start(model, pcm, options).ended;

/** What a job was rejected with. Fails when it was not. */
export async function rejection(job: Job<unknown> | Promise<unknown>): Promise<NativeError> {
  try {
    await ("result" in job ? job.result : job);
  } catch (error) {
    if (error instanceof Error && "code" in error) return error as NativeError;
    throw error;
  }
  throw new Error("Expected a rejection but it resolved");
}

export const liveOptions: LiveOptions = { rate: 16_000, vadModel: "", maxBufferedMs: 60_000 };

export interface Listening {
  readonly live: Live;
  /** Of the frames that were heard so far, and where each batch ended. */
  readonly probabilities: readonly number[];
  readonly ends: readonly number[];
  /** Resolves when so many frames were heard. */
  heard(frames: number): Promise<void>;
}

/** `onFrames` sees each batch after it was stored. */
export function listen(options: Partial<LiveOptions> = {}, onFrames: OnFrames = () => {}): Listening {
  const probabilities: number[] = [];
  const ends: number[] = [];
  const waiting: { readonly frames: number; resolve(): void }[] = [];
  const live = native.openLive({ ...liveOptions, ...options }, (batch, endMs) => {
    probabilities.push(...batch);
    ends.push(endMs);
    for (const { frames, resolve } of waiting) if (probabilities.length >= frames) resolve();
    onFrames(batch, endMs);
  });
  const heard = (frames: number) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.push({ frames, resolve });
    if (probabilities.length >= frames) resolve();
    return promise;
  };
  return { live, probabilities, ends, heard };
}

/** The first channel of a WAV fixture of 16-bit samples. */
export async function samplesOf(name: string): Promise<Int16Array> {
  const { path, channels } = recording(name);
  const file = Buffer.from(await Bun.file(path).arrayBuffer());
  const data = file.indexOf("data", 12, "latin1");
  const samples = new Int16Array(file.buffer.slice(data + 8, data + 8 + file.readUInt32LE(data + 4)));
  return samples.filter((_, index) => index % channels === 0);
}

/** Little-endian, as this machine's. */
export const bytesOf = (samples: Int16Array): Uint8Array =>
  new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);

/** Appends all of it, in pieces of at most so many bytes. */
export function appendInPieces(live: Live, bytes: Uint8Array, most: number): void {
  for (let at = 0; at < bytes.length; at += most) live.append(bytes.subarray(at, at + most));
}
