/** A recording on its way in: it is hashed as it comes, goes to disk unless it is small, and memory stays flat. */
import { AppError } from "../core/errors.ts";
import { SpooledFile } from "./spooled-file.ts";

export interface UploadLimits {
  readonly directory: string;
  readonly maxFileBytes: number;
  /** The longest pause between two pieces of a body. */
  readonly stallTimeoutMs: number;
}

/** `name` is the client's, bounded: never for paths. */
export interface UploadedFile {
  /** Where it lies on the disk; a small one is written there now. */
  path(): Promise<string>;
  readonly bytes: number;
  readonly sha256: string;
  readonly name: string;
}

/** The field that a recording comes by. */
export type RecordingField = "file" | "url";

/** Disposal removes what was written. */
export class Recording implements AsyncDisposable {
  private readonly file: SpooledFile;
  private readonly hasher = new Bun.CryptoHasher("sha256");

  constructor(
    private readonly limits: UploadLimits,
    private readonly field: RecordingField,
  ) {
    this.file = new SpooledFile(limits.directory);
  }

  /** Appends; writes do not overlap. `piece` is not copied: it must not change any more. Throws request_too_large. */
  async write(piece: Uint8Array): Promise<void> {
    if (this.file.bytes + piece.length > this.limits.maxFileBytes) throw tooLarge(this.limits, this.field);
    this.hasher.update(piece);
    await this.file.write(piece);
  }

  /** All of it has come. Throws invalid_value when that is nothing. */
  end(name: string): UploadedFile {
    const { file, field } = this;
    if (file.bytes === 0) {
      throw new AppError("invalid_value", `Expected an audio file for ${field} but received an empty one`, {
        param: field,
      });
    }
    const sha256 = this.hasher.digest("hex");
    return { path: () => file.path(), bytes: file.bytes, sha256, name: name.slice(0, 255).toWellFormed() };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.file[Symbol.asyncDispose]();
  }
}

export const tooLarge = ({ maxFileBytes }: UploadLimits, field: RecordingField = "file") =>
  new AppError("request_too_large", `Expected at most ${maxFileBytes} bytes for ${field} but received more`, {
    param: field,
  });
