/** Bytes of one request: in memory while they are few, then in a temporary file. */
import { TemporaryFile } from "./temporary-file.ts";

/** So much each request may hold, and all of them together: who waits for another's run holds his file meanwhile. */
export const maxBytesInMemory = 2 * 1024 * 1024;
export const maxBytesOfAll = 64 * 1024 * 1024;
/** A client may send bytes one by one, and each piece takes memory of its own. */
const maxPiecesInMemory = 256;

let bytesOfAll = 0;

/** Disposal removes the file, if one was made. Writes do not overlap. */
export class SpooledFile implements AsyncDisposable {
  bytes = 0;
  /** What is not in the file. */
  private pieces: Uint8Array[] = [];
  private held = 0;
  private file: TemporaryFile | null = null;
  private written: Promise<string> | null = null;

  constructor(private readonly directory: string) {}

  /** Appends. `piece` is not copied: it must not change any more. */
  async write(piece: Uint8Array): Promise<void> {
    this.bytes += piece.length;
    this.pieces.push(piece);
    this.hold(piece.length);
    const isTooMuch = this.bytes > maxBytesInMemory || bytesOfAll > maxBytesOfAll;
    if (isTooMuch || this.pieces.length > maxPiecesInMemory) await this.flush();
  }

  /** Where all that was written lies on the disk; nothing can be written any more. */
  path(): Promise<string> {
    this.written ??= this.flush().then(async (file) => {
      await file.close();
      return file.path;
    });
    return this.written;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.written?.catch(() => {});
    this.letGo();
    await this.file?.[Symbol.asyncDispose]();
  }

  private async flush(): Promise<TemporaryFile> {
    this.file ??= await TemporaryFile.create(this.directory);
    for (const piece of this.pieces) await this.file.write(piece);
    this.letGo();
    return this.file;
  }

  private hold(bytes: number): void {
    this.held += bytes;
    bytesOfAll += bytes;
  }

  private letGo(): void {
    this.hold(-this.held);
    this.pieces = [];
  }
}
