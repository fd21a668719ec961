/** Stores for tests of what several processes share: an address that this process and its children open. */
import { join } from "node:path";
import type { Logger } from "../../src/log.ts";
import { DiskBlobs } from "../../src/store/blobs/disk.ts";
import { openRedisStore } from "../../src/store/redis/open.ts";
import { openSqliteStore } from "../../src/store/sqlite/open.ts";
import type { Store, StoreOptions } from "../../src/store/store.ts";
import { temporaryFolder } from "./folder.ts";
import { type LogLine, recordingLog, silentLog } from "./log.ts";

export interface TestStores extends AsyncDisposable {
  /** For `openStoreAt`, in a child. */
  readonly address: string;
  /** As another process would open it; resolves when it is available. Disposal closes it. */
  open(): Promise<Store>;
  /** What the stores opened here have logged. */
  readonly log: readonly LogLine[];
}

/** Room for what a test makes. */
export const cacheLimits = { ttlMs: 60_000, maxBytes: 16 * 2 ** 20 };

/** In a new folder, which disposal removes. */
export function sqliteStores(): Promise<TestStores> {
  return testStores((directory) => directory);
}

/** On a Redis that runs, with a prefix of its own; blobs in a new folder, which disposal removes. */
export function redisStores(url: string): Promise<TestStores> {
  return testStores((directory) => `${directory} ${url} ${crypto.randomUUID()}`);
}

export function openStoreAt(address: string, log: Logger): Store {
  const [directory = "", url, prefix = ""] = address.split(" ");
  const options = { log, cache: cacheLimits, blobs: new DiskBlobs(join(directory, "blobs")) };
  return url ? openRedisStore({ url, prefix, ...options }) : openSqliteStore(directory, options);
}

/** The test's own time limit ends it. */
export async function available(store: { readonly isAvailable: boolean }): Promise<void> {
  while (!store.isAvailable) await Bun.sleep(5);
}

async function testStores(addressIn: (directory: string) => string): Promise<TestStores> {
  const folder = temporaryFolder();
  const address = addressIn(folder.path);
  const { log, lines } = recordingLog();
  const opened: Store[] = [];
  return {
    address,
    log: lines,
    async open() {
      const store = openStoreAt(address, log);
      opened.push(store);
      await available(store);
      return store;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((store) => store.close()));
      folder[Symbol.dispose]();
    },
  };
}

/** For stores whose recordings play no part. */
export const quietOptions = (log: Logger = silentLog): StoreOptions => ({
  log,
  cache: cacheLimits,
  blobs: new DiskBlobs("nowhere"),
});

/** A store in memory, of which recordings play no part. */
export const memoryStore = (): Store => openSqliteStore(":memory:", quietOptions());
