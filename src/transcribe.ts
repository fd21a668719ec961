/** The verb. Every way in (HTTP, later tasks and sessions) transcribes through here. Knows nothing of HTTP. */
import type { AudioAllowance } from "./core/limits.ts";
import type { Options, Priority } from "./core/options.ts";
import type { TranscriptEvent } from "./core/transcript.ts";
import type { Engine } from "./engine/engine.ts";

/** Its audio is charged to the allowance, if there is one, when it is transcribed: see EngineRequest. */
export interface TranscriptionRequest extends Partial<AudioAllowance> {
  readonly file: { readonly path: string; readonly sha256: string };
  readonly options: Options;
  /** Whether `attempt` and `token` events are wanted. */
  readonly tokens: boolean;
  readonly priority: Priority;
  /** Cancels it, queued or running. */
  readonly signal: AbortSignal;
  /** For the log. */
  readonly requestId: string;
}

/**
 * Resolves when the run has begun; from then on the file is not needed. Every refusal rejects before that with an AppError.
 * The iterable is read once; leaving it early cancels the run.
 */
export function transcribe(
  deps: { readonly engine: Engine },
  request: TranscriptionRequest,
): Promise<AsyncIterable<TranscriptEvent>> {
  const { file, ...rest } = request;
  return deps.engine.transcribe({ path: file.path, ...rest });
}
