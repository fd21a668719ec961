/** Bytes of one request: in memory while they are few, then in a temporary file. */
import { TemporaryFile } from "./temporary-file.ts";

/** So much each of the requests that wait may hold. */
const maxBytesInMemory = 2 * 1024 * 1024;

/** Disposal removes the file, if one was made. Calls do not overlap, but those of `path`. */
export class SpooledFile implements AsyncDisposable {
  bytes = 0;
  private memory: Bun.ArrayBufferSink | null = new Bun.ArrayBufferSink();
  private file: Promise<TemporaryFile> | null = null;
  private closed: Promise<string> | null = null;

  constructor(private readonly directory: string) {}

  /** Appends a copy of `chunk`. */
  async write(chunk: Uint8Array): Promise<void> {
    this.bytes += chunk.length;
    if (this.memory && this.bytes <= maxBytesInMemory) this.memory.write(chunk);
    else await (await this.onDisk()).write(chunk);
  }

  /** Where all that was written lies on the disk; nothing can be written any more. */
  path(): Promise<string> {
    this.closed ??= this.onDisk().then(async (file) => {
      await file.close();
      return file.path;
    });
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.memory = null;
    await this.closed?.catch(() => {});
    const file = await this.file?.catch(() => null);
    await file?.[Symbol.asyncDispose]();
  }

  private onDisk(): Promise<TemporaryFile> {
    this.file ??= this.spill();
    return this.file;
  }

  private async spill(): Promise<TemporaryFile> {
    const file = await TemporaryFile.create(this.directory);
    try {
      if (this.memory) await file.write(new Uint8Array(this.memory.end() as ArrayBuffer));
      this.memory = null;
      return file;
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }
}
