/**
 * The verb. Every way in (HTTP, tasks, the command line) transcribes through here. The same request twice is one run: from the cache,
 * or together with one that goes on. Knows nothing of HTTP.
 */
import { AppError } from "./core/errors.ts";
import type { AudioAllowance } from "./core/limits.ts";
import { nextTurn } from "./core/next-turn.ts";
import { isReproducible, type Options, type Priority } from "./core/options.ts";
import type { TranscriptEvent } from "./core/transcript.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Models } from "./models/models.ts";
import { decodeEntry, encodeEntry } from "./results/entry.ts";
import { resultKey } from "./results/key.ts";
import { SharedRun } from "./results/shared-run.ts";
import type { Cache } from "./store/cache.ts";

export interface TranscribeDeps {
  readonly models: Pick<Models, "use" | "digest">;
  /** Digest of the weights of voice activity detection; null: there are none. */
  readonly vadDigest: Promise<string> | null;
  readonly store: { readonly cache: Pick<Cache, "get" | "put"> };
  /** Runs that go on in this process, by their result's key. Belongs to this file. */
  readonly runs: Map<string, SharedRun>;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** "no-store": neither find, store nor join. Else how old a stored result may be; one that is just being made may always be joined. */
export type CachePolicy = "no-store" | { readonly maxAgeMs: number };

/** Its audio is charged to the allowance, if there is one, when it is transcribed: see EngineRequest. */
export interface TranscriptionRequest extends Partial<AudioAllowance> {
  /** Id of the model. */
  readonly model: string;
  readonly file: {
    /** Where the engine finds it; called when it has to be read. */
    path(): Promise<string>;
    readonly sha256: string;
  };
  readonly options: Options;
  readonly priority: Priority;
  /** Default: a result of any age. */
  readonly cache?: CachePolicy;
  /** Leaves; the run is cancelled, queued or running, when nobody else listens to it. */
  readonly signal: AbortSignal;
  /** For the log. */
  readonly requestId: string;
}

/** bypass: nobody else's result can be this one. */
export type CacheStatus = "hit" | "miss" | "join" | "bypass";

/** Read once. Leaving it early is as if the signal had fired. */
export interface Transcription extends AsyncIterable<TranscriptEvent> {
  readonly cache: CacheStatus;
}

/**
 * Resolves when the run has begun; from then on the file is not needed, but until then it is, even when the signal fires: others may
 * have joined. Every refusal rejects before that with an AppError.
 */
export async function transcribe(
  deps: TranscribeDeps,
  request: TranscriptionRequest,
): Promise<Transcription> {
  const transcription = await obtain(deps, request);
  deps.metrics.cacheResults.inc({ outcome: transcription.cache });
  return transcription;
}

async function obtain(deps: TranscribeDeps, request: TranscriptionRequest): Promise<Transcription> {
  const { options, signal, requestId, cache = { maxAgeMs: Number.POSITIVE_INFINITY } } = request;
  if (cache === "no-store" || !isReproducible(options)) {
    return tell("bypass", await run(deps, request, signal));
  }
  const weights = { model: await deps.models.digest(request.model), vad: await deps.vadDigest };
  const key = resultKey(request.file.sha256, options, weights);
  const stored = await find(deps, key, cache.maxAgeMs);
  if (signal.aborted) throw AppError.cancelled(signal);
  if (stored) return tell("hit", replay(stored));
  for (;;) {
    const joined = deps.runs.get(key);
    if (!joined || !mayJoin(request, joined)) break;
    deps.log.info("joined a run", { requestId });
    const events = await joined.listen(signal).catch((error: unknown) => {
      if (!isOthers(error)) throw error;
    });
    if (events) return tell("join", events);
  }
  return tell("miss", await lead(deps, key, request).listen(signal));
}

/** A request would wait behind all other requests if it joined a batch. Its own run serves those that come later. */
const mayJoin = (request: TranscriptionRequest, run: SharedRun) =>
  run.isOpen && (run.priority !== "batch" || request.priority === "batch");

/** A refusal that is about him who began the run, not about what he asked for. */
const isOthers = (error: unknown) => error instanceof AppError && error.code === "rate_limit_exceeded";

async function run(deps: TranscribeDeps, request: TranscriptionRequest, signal: AbortSignal) {
  const { model, file, cache: _, ...rest } = request;
  // Held until the run has begun: its engine then stays for as long as it has work.
  using use = await deps.models.use(model, signal);
  return await use.engine.transcribe({ ...rest, path: await file.path(), signal });
}

/** Begins a run for all who ask for `key`; its result is stored when it has succeeded. */
function lead(deps: TranscribeDeps, key: string, request: TranscriptionRequest): SharedRun {
  const shared = new SharedRun(request.priority, (signal) => run(deps, request, signal));
  deps.runs.set(key, shared);
  // Until it is stored it can be joined: in between nobody begins another one.
  void shared.result
    .then((events) => events && keep(deps, key, events))
    .finally(() => {
      if (deps.runs.get(key) === shared) deps.runs.delete(key);
    });
  return shared;
}

/** null: there is none that is young enough, or it cannot be had now. */
async function find({ store, log }: TranscribeDeps, key: string, maxAgeMs: number) {
  if (maxAgeMs <= 0) return null;
  try {
    const bytes = await store.cache.get(key);
    const entry = bytes && (await decodeEntry(key, bytes));
    return entry && Date.now() - entry.storedAtMs < maxAgeMs ? entry.events : null;
  } catch (error) {
    log.debug("cache not read", { error });
    return null;
  }
}

async function keep({ store, log }: TranscribeDeps, key: string, events: readonly TranscriptEvent[]) {
  try {
    await store.cache.put(key, await encodeEntry(key, { storedAtMs: Date.now(), events }));
  } catch (error) {
    log.debug("cache not written", { error });
  }
}

/** A stored result is read without a pause: a long one must not hold up the others. */
const eventsPerTurn = 1000;

async function* replay(events: readonly TranscriptEvent[]): AsyncGenerator<TranscriptEvent> {
  for (const [index, event] of events.entries()) {
    if (index % eventsPerTurn === eventsPerTurn - 1) await nextTurn();
    yield event;
  }
}

const tell = (cache: CacheStatus, events: AsyncIterable<TranscriptEvent>): Transcription => ({
  cache,
  [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
});
