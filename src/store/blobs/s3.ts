/**
 * Blobs as objects in an S3-compatible bucket. Bun's S3 client signs and lists; `fetch` moves the bytes, because it can be given up,
 * keeps memory flat, and makes an upload one request: the object is whole or not there.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { S3Client } from "bun";
import { type Blobs, checkKey, isKey, type LocalFile } from "../blobs.ts";
import { StoreUnavailable } from "../store.ts";

export interface S3Options {
  /** With bucket and credentials. */
  readonly client: S3Client;
  /** Before every key: "" or something that ends with a slash. */
  readonly prefix: string;
  /** Folder of the copies that are in use; belongs to this program alone. */
  readonly dir: string;
  /** For an answer to begin. */
  readonly answerMs?: number;
}

/** A slower transfer is given up. */
const leastBytesPerSecond = 500_000;
const signedForSeconds = 900;
/** Nobody works on a copy for so long: its process has died. */
const leftoverMs = 24 * 60 * 60 * 1000;

export class S3Blobs implements Blobs {
  readonly kind = "s3";
  readonly #options: S3Options;
  #isSwept = false;

  constructor(options: S3Options) {
    this.#options = options;
  }

  async put(key: string, path: string): Promise<void> {
    const object = this.#objectOf(key);
    await this.#ask(async (deadline) => {
      const file = Bun.file(path);
      const { size } = await file.stat();
      deadline.extend(transferMs(size));
      // As a stream: Bun 1.4.5 reads a file that goes over TLS into memory.
      const body = size > 0 ? file.stream() : "";
      const sent = await this.#send("PUT", object, deadline, {
        body,
        headers: { "content-length": String(size) },
      });
      await sent?.arrayBuffer();
    });
  }

  async open(key: string): Promise<LocalFile | null> {
    const object = this.#objectOf(key);
    return await this.#ask(async (deadline) => {
      const response = await this.#send("GET", object, deadline);
      if (!response) return null;
      deadline.extend(transferMs(Number(response.headers.get("content-length") ?? 1e9)));
      return await this.#save(response);
    });
  }

  async remove(key: string): Promise<void> {
    const object = this.#objectOf(key);
    await this.#ask(async (deadline) => {
      await (await this.#send("DELETE", object, deadline))?.arrayBuffer();
    });
  }

  async olderThan(ms: number): Promise<readonly string[]> {
    const { client, prefix } = this.#options;
    const limitMs = Date.now() - ms;
    const old: string[] = [];
    let continuationToken: string | undefined;
    do {
      const request = { prefix, ...(continuationToken ? { continuationToken } : {}) };
      const page = await this.#ask((deadline) => Promise.race([client.list(request), deadline.passed]));
      for (const { key: name, lastModified } of page.contents ?? []) {
        const key = name.slice(prefix.length);
        if (isKey(key) && lastModified && Date.parse(lastModified) < limitMs) old.push(key);
      }
      continuationToken = page.isTruncated ? page.nextContinuationToken : undefined;
    } while (continuationToken);
    return old;
  }

  /** null: there is no such object. Throws at any other refusal; a bucket that is missing is one. */
  async #send(
    method: "PUT" | "GET" | "DELETE",
    object: string,
    deadline: Deadline,
    init: RequestInit = {},
  ): Promise<Response | null> {
    const url = this.#options.client.presign(object, { method, expiresIn: signedForSeconds });
    const { signal } = deadline;
    const response = await fetch(url, { ...init, method, signal, redirect: "manual" });
    if (response.ok) return response;
    const code = /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1];
    if (code === "NoSuchKey") return null;
    throw new Error(`S3 answered ${response.status}${code ? ` ${code}` : ""}`);
  }

  async #save(response: Response): Promise<LocalFile> {
    const { dir } = this.#options;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    if (!this.#isSwept) await removeLeftovers(dir);
    this.#isSwept = true;
    const path = join(dir, crypto.randomUUID());
    const remove = () => rm(path, { force: true });
    try {
      await Bun.write(path, response);
      return { path, [Symbol.asyncDispose]: remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  #objectOf(key: string): string {
    return this.#options.prefix + checkKey(key);
  }

  async #ask<T>(act: (deadline: Deadline) => Promise<T>): Promise<T> {
    using deadline = new Deadline(this.#options.answerMs ?? 15_000);
    try {
      return await act(deadline);
    } catch (error) {
      throw new StoreUnavailable(error);
    }
  }
}

const transferMs = (bytes: number) => (bytes / leastBytesPerSecond) * 1000;

/** Aborts what takes longer than it was given. */
class Deadline implements Disposable {
  /** Rejects when the time has passed. */
  readonly passed: Promise<never>;
  readonly #aborter = new AbortController();
  #timer: Timer;
  #atMs: number;

  constructor(ms: number) {
    this.#atMs = performance.now() + ms;
    this.#timer = this.#start();
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {});
    this.signal.addEventListener("abort", () => reject(this.signal.reason));
    this.passed = promise;
  }

  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  extend(ms: number): void {
    clearTimeout(this.#timer);
    this.#atMs += ms;
    this.#timer = this.#start();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #start(): Timer {
    const error = new Error("S3 did not answer in time");
    return setTimeout(() => this.#aborter.abort(error), this.#atMs - performance.now());
  }
}

async function removeLeftovers(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const path = join(dir, name);
    const modifiedAtMs = (await stat(path).catch(() => null))?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (modifiedAtMs < Date.now() - leftoverMs) await rm(path, { force: true });
  }
}
