/**
 * Reads a multipart form whose file part may be large: it is hashed as it comes and goes to disk unless it is small, memory stays
 * flat, and whatever goes wrong the file is gone before the request ends.
 */
import { AppError } from "../core/errors.ts";
import { boundaryOf, MultipartError, MultipartParser, type PartHeaders, type Piece } from "./multipart.ts";
import { Pace } from "./pace.ts";
import { quote } from "./quote.ts";
import { Recording, tooLarge, type UploadedFile, type UploadLimits } from "./recording.ts";

/** Room for everything but the file: the texts, and fields that are read over. */
const formBytes = 4 * 1024 * 1024;
const maxParts = 200;
const maxFieldBytes = 64 * 1024;
const maxFieldsBytes = 1024 * 1024;
/** Disposal removes the file. Fields are keyed as sent, without a closing `[]`; values are in the order of the body. */
export interface Upload extends AsyncDisposable {
  /** null: the field `url` says where the recording is. */
  readonly file: UploadedFile | null;
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

/**
 * Reads the body of `request`. `isWanted` says whether a text field (by its name up to the first bracket) is kept; the others are
 * read over. Throws unsupported_media_type, invalid_multipart, field_too_large, invalid_value and
 * missing_required_parameter (both about `file`), request_too_large as soon as the limit is passed, request_timeout;
 * and what the body throws when the client goes away.
 */
export async function receiveUpload(
  request: Request,
  limits: UploadLimits,
  isWanted: (field: string) => boolean,
): Promise<Upload> {
  const contentType = request.headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\s*(;|$)/i.test(contentType)) {
    throw new AppError(
      "unsupported_media_type",
      `Expected multipart/form-data for content-type but received ${quote(contentType)}`,
    );
  }
  const maxBodyBytes = limits.maxFileBytes + formBytes;
  if (Number(request.headers.get("content-length") ?? 0) > maxBodyBytes) throw tooLarge(limits);
  if (!request.body) throw malformed("no body");

  const boundary = boundaryOf(contentType);
  if (boundary === null) throw malformed("no boundary");

  await using owned = new AsyncDisposableStack();
  const form = new Form(isWanted, owned.use(new Recording(limits, "file")));
  const reader = request.body.getReader();
  try {
    const parser = new MultipartParser(boundary);
    const pace = new Pace(limits.stallTimeoutMs);
    for (;;) {
      const { done, value } = await pace.next(reader.read());
      if (done) break;
      pace.received += value.length;
      if (pace.received > maxBodyBytes) throw tooLarge(limits);
      parser.feed(value);
      for (let piece = parser.next(); piece; piece = parser.next()) await form.take(piece);
    }
    parser.end();
    const { file, fields } = form.end();
    const kept = owned.move();
    return { file, fields, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error instanceof MultipartError ? malformed(error.message) : error;
  }
}

/** The parts of one form. */
class Form {
  private readonly fields = new Map<string, string[]>();
  private parts = 0;
  private fieldsBytes = 0;
  /** Of the part named `file`; null until it comes. */
  private filename: string | null = null;
  /** Takes the bytes of the current part; null: they are read over. */
  private part: { write(bytes: Uint8Array): Promise<void> | void; end?(): void } | null = null;

  constructor(
    private readonly isWanted: (field: string) => boolean,
    private readonly file: Recording,
  ) {}

  /** Throws as soon as it is known that the form will not do. */
  async take(piece: Piece): Promise<void> {
    if (piece.type === "data") return this.part?.write(piece.bytes);
    if (piece.type === "end") return this.part?.end?.();
    this.parts += 1;
    if (this.parts > maxParts) throw malformed(`more than ${maxParts} parts`);
    const { name, filename } = piece.part;
    this.part =
      filename === null ? this.textPart(keyOf(name), piece.part) : this.filePart(keyOf(name), filename);
  }

  end(): Omit<Upload, keyof AsyncDisposable> {
    const { file, fields, filename } = this;
    const hasUrl = fields.get("url")?.some((value) => value !== "") ?? false;
    if (filename !== null && hasUrl) throw invalidFile("Expected either file or url but received both");
    if (filename !== null) return { file: file.end(filename), fields };
    if (hasUrl) return { file: null, fields };
    throw new AppError("missing_required_parameter", "Expected an audio file for file but received none", {
      param: "file",
    });
  }

  private textPart(key: string, { charset }: PartHeaders) {
    if (key === "file") throw invalidFile("Expected a file part for file but received a text field");
    if (!this.isWanted(baseOf(key))) return null;
    const decoder = decoderOf(charset);
    if (!decoder) throw malformed(`${key} in an unknown character set`);
    let bytes = 0;
    let text = "";
    return {
      write: (piece: Uint8Array) => {
        bytes += piece.length;
        this.fieldsBytes += piece.length;
        if (bytes > maxFieldBytes) throw tooLong(key, maxFieldBytes);
        if (this.fieldsBytes > maxFieldsBytes) throw tooLong(key, maxFieldsBytes);
        text += decoder.decode(piece, { stream: true });
      },
      end: () => void this.fields.set(key, [...(this.fields.get(key) ?? []), text + decoder.decode()]),
    };
  }

  private filePart(key: string, filename: string) {
    if (key !== "file") {
      if (!this.isWanted(baseOf(key))) return null;
      throw new AppError("invalid_value", `Expected text for ${key} but received a file`, { param: key });
    }
    if (this.filename !== null) throw invalidFile("Expected one file for file but received several");
    this.filename = filename;
    return { write: (piece: Uint8Array) => this.file.write(piece) };
  }
}

/** null: there is no such character set. */
function decoderOf(charset: string | null): TextDecoder | null {
  try {
    return new TextDecoder((charset ?? "utf-8") as Bun.Encoding);
  } catch {
    return null;
  }
}

/** `name` and `name[]` are the same field. */
const keyOf = (name = "") => name.replace(/\[\]$/, "");
/** `name[part]` is a part of `name`. */
const baseOf = (key: string) => key.replace(/\[.*/s, "");

const invalidFile = (message: string) => new AppError("invalid_value", message, { param: "file" });

const malformed = (what: string) =>
  new AppError("invalid_multipart", `Expected a multipart/form-data body but received ${what}`);

const tooLong = (key: string, maxBytes: number) =>
  new AppError("field_too_large", `Expected at most ${maxBytes} bytes of text for ${key} but received more`, {
    param: key,
  });
