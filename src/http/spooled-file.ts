/** Bytes of one request: in memory while they are few, then in a temporary file. */
import { TemporaryFile } from "./temporary-file.ts";

/** So much each of the requests that wait may hold. */
const maxBytesInMemory = 2 * 1024 * 1024;
/** A client may send bytes one by one, and each piece takes memory of its own. */
const maxPiecesInMemory = 256;

/** Disposal removes the file, if one was made. Writes do not overlap. */
export class SpooledFile implements AsyncDisposable {
  bytes = 0;
  /** What is not in the file. */
  private pieces: Uint8Array[] = [];
  private file: TemporaryFile | null = null;
  private written: Promise<string> | null = null;

  constructor(private readonly directory: string) {}

  /** Appends. `piece` is not copied: it must not change any more. */
  async write(piece: Uint8Array): Promise<void> {
    this.bytes += piece.length;
    this.pieces.push(piece);
    if (this.bytes > maxBytesInMemory || this.pieces.length > maxPiecesInMemory) await this.flush();
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
    await this.file?.[Symbol.asyncDispose]();
  }

  private async flush(): Promise<TemporaryFile> {
    this.file ??= await TemporaryFile.create(this.directory);
    for (const piece of this.pieces) await this.file.write(piece);
    this.pieces = [];
    return this.file;
  }
}
