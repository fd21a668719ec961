/** One file of weights from an HTTP server to its place: resumed, verified, and only then there under its name. */
import { mkdir, open, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { mebibytes } from "../core/notation.ts";
import type { Weights } from "./catalog.ts";
import { noteDigest, piecesOf } from "./digest.ts";
import { acquireLock } from "./lock.mjs";

export interface DownloadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Of this process's part, so far. */
  readonly bytesPerSecond: number;
}

export interface DownloadOptions {
  readonly url: string;
  readonly path: string;
  /** What it must be. */
  readonly weights: Pick<Weights, "bytes" | "sha256">;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Called once when another process is downloading the same file. */
  readonly onWait?: ((pid: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly limits?: DownloadLimits;
}

export interface DownloadLimits {
  /** Until the first reply: so long it takes to know that there is no network. */
  readonly connectMs: number;
  /** Without a byte. */
  readonly stallMs: number;
  /** Attempts after a connection that broke or stalled, in a row without progress. */
  readonly retries: number;
  /** Before the first of them; doubled for each further one. */
  readonly backoffMs: number;
}

const defaultLimits: DownloadLimits = { connectMs: 10_000, stallMs: 30_000, retries: 3, backoffMs: 1_000 };
/** What must stay free on the disk. */
const spareBytes = 64 * 2 ** 20;

/** The weights cannot be had; the message says why, for the log. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

/** A connection that broke or stalled: worth another attempt. */
class Interrupted extends Error {}

/**
 * Downloads to `path`. What has arrived is kept in `<path>.part` and continued next time. One process at a time; another one
 * that finds the file there when its turn comes does nothing. Throws DownloadError, or what `signal` was aborted with.
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { path, weights, onWait, signal } = options;
  try {
    await mkdir(dirname(path), { recursive: true });
    const release = await acquireLock(`${path}.lock`, {
      ...(onWait ? { onWait } : {}),
      ...(signal ? { signal } : {}),
    });
    try {
      if ((await sizeOf(path)) !== weights.bytes) await new Transfer(options).run();
    } finally {
      release();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Bytes of a file, or 0 when there is none. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() ? found.size : 0;
}

/** The file while it grows. The digest is of what `doneBytes` counts, always. */
class Transfer {
  readonly #options: DownloadOptions;
  readonly #limits: DownloadLimits;
  readonly #part: string;
  readonly #startMs = performance.now();
  #hash = new Bun.CryptoHasher("sha256");
  #doneBytes = 0;
  #receivedBytes = 0;
  #replied = false;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaultLimits;
    this.#part = `${options.path}.part`;
  }

  async run(): Promise<void> {
    const { path, weights, url } = this.#options;
    await this.#takeUp();
    await this.#requireSpace();
    await this.#fetchAll();
    const digest = this.#hash.digest("hex");
    if (digest !== weights.sha256) {
      await rm(this.#part, { force: true });
      throw new DownloadError(
        `Expected the SHA-256 ${weights.sha256} for ${shown(url)} but received ${digest}`,
      );
    }
    await rename(this.#part, path);
    await noteDigest(path, digest);
    await syncFolder(dirname(path));
  }

  /** Continues with what an earlier process has left. */
  async #takeUp(): Promise<void> {
    if ((await sizeOf(this.#part)) > this.#options.weights.bytes) await rm(this.#part);
    if ((await sizeOf(this.#part)) === 0) return;
    for await (const chunk of piecesOf(this.#part)) {
      this.#options.signal?.throwIfAborted();
      this.#hash.update(chunk);
      this.#doneBytes += chunk.byteLength;
    }
  }

  async #requireSpace(): Promise<void> {
    const { bavail, bsize } = await statfs(dirname(this.#part));
    const neededBytes = this.#options.weights.bytes - this.#doneBytes + spareBytes;
    if (bavail * bsize < neededBytes) {
      throw new DownloadError(
        `Expected ${mebibytes(neededBytes)} of free disk space in MODELS_DIR but found ${mebibytes(bavail * bsize)}`,
      );
    }
  }

  async #fetchAll(): Promise<void> {
    const { weights, signal } = this.#options;
    let failures = 0;
    let mostBytes = this.#doneBytes;
    while (this.#doneBytes < weights.bytes) {
      try {
        await this.#fetchRest();
      } catch (error) {
        if (signal?.aborted || !(error instanceof Interrupted)) throw error;
        // A server that does not resume sends the same bytes again and again: only new ones are progress.
        failures = this.#doneBytes > mostBytes ? 1 : failures + 1;
        mostBytes = Math.max(mostBytes, this.#doneBytes);
        // Without any reply there is no reason to believe in this network: the caller must know soon.
        if (failures > this.#limits.retries || !this.#replied) {
          throw new DownloadError(error.message, { cause: error.cause });
        }
        await sleep(this.#limits.backoffMs * 2 ** (failures - 1), undefined, signal ? { signal } : {});
      }
    }
  }

  /** One request for what is missing. */
  async #fetchRest(): Promise<void> {
    const { url, signal, weights } = this.#options;
    const { connectMs, stallMs } = this.#limits;
    const giveUp = new AbortController();
    let watchdog = setTimeout(() => giveUp.abort(), connectMs);
    const signals = signal ? [giveUp.signal, signal] : [giveUp.signal];
    try {
      const response = await this.#request(AbortSignal.any(signals), connectMs);
      clearTimeout(watchdog);
      watchdog = setTimeout(() => giveUp.abort(), stallMs);
      const file = await open(this.#part, this.#doneBytes > 0 ? "a" : "w");
      try {
        for await (const chunk of response.body ?? []) {
          watchdog.refresh();
          await this.#write(file, chunk);
        }
        await file.sync();
      } catch (error) {
        if (isOurs(error)) throw error;
        const reason = giveUp.signal.aborted ? `sent nothing for ${stallMs / 1000} s` : messageOf(error);
        throw new Interrupted(`${shown(url)} broke off: ${reason}`, { cause: error });
      } finally {
        await file.close();
      }
      if (this.#doneBytes < weights.bytes) {
        throw new Interrupted(`${shown(url)} broke off after ${this.#doneBytes} of ${weights.bytes} bytes`);
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  /** A reply whose body continues what is there. */
  async #request(signal: AbortSignal, connectMs: number): Promise<Response> {
    const { url, weights } = this.#options;
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (this.#doneBytes > 0) headers.range = `bytes=${this.#doneBytes}-`;
    let response: Response;
    try {
      response = await fetch(url, { headers, signal });
    } catch (error) {
      const reason = signal.aborted ? `no reply within ${connectMs / 1000} s` : messageOf(error);
      throw new Interrupted(`${shown(url)} cannot be reached: ${reason}`, { cause: error });
    }
    this.#replied = true;
    const { status } = response;
    const isPart =
      status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${this.#doneBytes}-`);
    if (isPart) return response;
    if (this.#doneBytes > 0 && (status === 200 || status === 206 || status === 416)) {
      // The server does not continue: from the start, with this reply where it is the whole file.
      this.#doneBytes = 0;
      this.#hash = new Bun.CryptoHasher("sha256");
      if (status !== 200) {
        await response.body?.cancel();
        return this.#request(signal, connectMs);
      }
    }
    const problem = `${shown(url)} answered ${status} ${response.statusText}`.trim();
    if (status === 429 || status >= 500) throw new Interrupted(problem);
    if (status !== 200) throw new DownloadError(problem);
    const announced = response.headers.get("content-length");
    if (announced !== null && Number(announced) !== weights.bytes) {
      throw new DownloadError(
        `Expected ${weights.bytes} bytes for ${shown(url)} but the server offers ${announced}`,
      );
    }
    return response;
  }

  async #write(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
    const { weights, onProgress, url } = this.#options;
    if (this.#doneBytes + chunk.byteLength > weights.bytes) {
      throw new DownloadError(`Expected ${weights.bytes} bytes for ${shown(url)} but received more`);
    }
    await file.write(chunk);
    this.#hash.update(chunk);
    this.#doneBytes += chunk.byteLength;
    this.#receivedBytes += chunk.byteLength;
    const seconds = (performance.now() - this.#startMs) / 1000;
    onProgress?.({
      doneBytes: this.#doneBytes,
      totalBytes: weights.bytes,
      bytesPerSecond: this.#receivedBytes / Math.max(seconds, 0.001),
    });
  }
}

/** Errors of the disk and of the file itself: another connection would not help. */
function isOurs(error: unknown): boolean {
  return error instanceof DownloadError || (error instanceof Error && "syscall" in error && "errno" in error);
}

/** Makes the rename itself durable. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  await folder.sync().finally(() => folder.close());
}

/** A URL without user, password and query: some mirrors carry keys there. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
