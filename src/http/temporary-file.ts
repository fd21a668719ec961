/** Files that live as long as one request. Their names say who made them, so that a later start can clear up after a crash. */
import { type FileHandle, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";

const prefix = "whisper-upload";
const host = new Bun.CryptoHasher("sha256").update(hostname()).digest("hex").slice(0, 8);
const leftover = new RegExp(`^${prefix}-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{32}$`);

/** A host that shares the directory cannot be asked whether its process still lives; no request takes this long. */
const foreignMaxAgeMs = 24 * 60 * 60 * 1000;

/** Readable by this user only; removed by disposal, which is idempotent. */
export class TemporaryFile implements AsyncDisposable {
  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  /** Makes an empty file with an unguessable name; makes the directory when it is missing. */
  static async create(directory: string): Promise<TemporaryFile> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const random = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
    const path = join(directory, `${prefix}-${host}-${process.pid}-${random}`);
    return new TemporaryFile(path, await open(path, "wx", 0o600));
  }

  /** Appends all of `bytes`. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.handle.writeFile(bytes);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close().catch(() => {});
    await rm(this.path, { force: true });
  }
}

/**
 * Removes the temporary files of processes that no longer run. Files of living processes and files that are not ours
 * stay. Returns how many were removed. To be called once, at start.
 */
export async function removeLeftovers(directory: string): Promise<number> {
  const names = await readdir(directory).catch(() => []);
  const startedAtMs = Date.now() - process.uptime() * 1000;
  let removed = 0;
  for (const name of names) {
    const [, madeOn, pid] = leftover.exec(name) ?? [];
    if (madeOn === undefined) continue;
    const path = join(directory, name);
    const modifiedAtMs = (await stat(path).catch(() => null))?.mtimeMs;
    if (modifiedAtMs === undefined) continue;
    const abandoned =
      madeOn !== host
        ? modifiedAtMs < Date.now() - foreignMaxAgeMs
        : Number(pid) === process.pid // in a container the process before this one had the same id
          ? modifiedAtMs < startedAtMs
          : !isAlive(Number(pid));
    if (!abandoned) continue;
    await rm(path, { force: true });
    removed++;
  }
  return removed;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // it lives, as another user
  }
}
