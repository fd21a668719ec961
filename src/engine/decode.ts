/** A file becomes samples, in memory that all recordings share. */
import { AppError } from "../core/errors.ts";
import type { Native, NativeError, Pcm } from "../native.ts";
import type { EngineRequest } from "./engine.ts";
import { decodingError } from "./refusals.ts";
import type { SampleMemory } from "./sample-memory.ts";

export interface DecoderOptions {
  readonly native: Native;
  readonly memory: SampleMemory;
  readonly maxDurationMs: number;
}

type Recording = Pick<EngineRequest, "path" | "options">;

/** Channels that are transcribed apart, at most: each is a run. */
const maxChannels = 8;

/** Samples are floats at 16 kHz. */
const bytesPerSample = 4;
const bytesPerMsOfChannel = 16 * bytesPerSample;
const shortMs = 600_000;

/**
 * The samples of a recording; closing them gives their memory back. Waits for memory: most recordings are short, and only one that turns
 * out to be long waits for room for the longest. Rejects with audio_too_long, with what `decodingError` says, or with what `signal`
 * was aborted with.
 */
export async function decode(
  decoder: DecoderOptions,
  recording: Recording,
  signal: AbortSignal,
): Promise<Pcm> {
  const { memory, maxDurationMs } = decoder;
  const bytesPerMs = (recording.options.splitChannels ? maxChannels : 1) * bytesPerMsOfChannel;
  const mostMs = Math.min(maxDurationMs, Math.floor(memory.maxBytes / bytesPerMs));
  const upTo = (ms: number) => decodeUpTo(ms, ms * bytesPerMs, decoder, recording, signal);
  const pcm = (mostMs > shortMs ? await upTo(shortMs) : null) ?? (await upTo(mostMs));
  if (pcm) return pcm;
  const limit = mostMs < maxDurationMs ? "for which this server has memory" : "the limit of this server";
  throw new AppError("audio_too_long", `The recording is longer than ${mostMs / 1000} s, ${limit}`, {
    param: "file",
  });
}

/** null: it is longer. */
async function decodeUpTo(
  maxDurationMs: number,
  maxBytes: number,
  { native, memory }: DecoderOptions,
  { path, options: { splitChannels } }: Recording,
  signal: AbortSignal,
): Promise<Pcm | null> {
  const room = await memory.take(maxBytes, signal);
  const job = native.decode(path, { splitChannels, maxChannels, maxDurationMs });
  const onAbort = () => job.cancel();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) job.cancel();
  try {
    const pcm = await job.result;
    room.shrink(pcm.samples * pcm.channels * bytesPerSample);
    const close = () => {
      pcm.close();
      room.release();
    };
    return { ...pcm, close };
  } catch (error) {
    room.release();
    if ((error as NativeError).code === "audio_too_long") return null;
    throw decodingError(error as NativeError, signal, native.info().ffmpeg !== null);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
