/** A recording on its way to the upload directory: it is hashed while it is written, and memory stays flat. */
import { AppError } from "../core/errors.ts";
import { TemporaryFile } from "./temporary-file.ts";

export interface UploadLimits {
  readonly directory: string;
  readonly maxFileBytes: number;
  /** The longest pause between two pieces of a body. */
  readonly stallTimeoutMs: number;
}

/** `name` is the client's: for logs, never for paths. */
export interface UploadedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly name: string;
}

/** What a recording is, for the client: the field that it comes by, and what is said of it. */
export type RecordingField = "file" | "url";

/** Reads `source` to its end. The file is removed with `owned`. Throws request_too_large, and invalid_value when it is empty. */
export async function saveRecording(
  source: AsyncIterable<Uint8Array>,
  { name, field }: { readonly name: string; readonly field: RecordingField },
  limits: UploadLimits,
  owned: AsyncDisposableStack,
): Promise<UploadedFile> {
  const temporary = owned.use(await TemporaryFile.create(limits.directory));
  const hasher = new Bun.CryptoHasher("sha256");
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > limits.maxFileBytes) throw tooLarge(limits, field);
    hasher.update(chunk);
    await temporary.write(chunk);
  }
  await temporary.close();
  if (bytes === 0) {
    throw new AppError("invalid_value", `Expected an audio file for ${field} but received an empty one`, {
      param: field,
    });
  }
  return { path: temporary.path, bytes, sha256: hasher.digest("hex"), name: name.slice(0, 255) };
}

export const tooLarge = ({ maxFileBytes }: UploadLimits, field: RecordingField = "file") =>
  new AppError("request_too_large", `Expected at most ${maxFileBytes} bytes for ${field} but received more`, {
    param: field,
  });
