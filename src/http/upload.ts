/**
 * Reads a multipart form whose file part may be large: the file goes to disk while it is hashed, memory stays flat, and
 * whatever goes wrong the file is gone before the request ends.
 */
import type { Readable } from "node:stream";
import busboy from "busboy";
import { AppError } from "../core/errors.ts";
import { Pace } from "./pace.ts";
import { quote } from "./quote.ts";
import { saveRecording, tooLarge, type UploadedFile, type UploadLimits } from "./recording.ts";

/** Room for everything but the file: the texts, and fields that are read over. */
const formBytes = 4 * 1024 * 1024;
const maxParts = 200;
const maxFieldBytes = 64 * 1024;
const maxFieldsBytes = 1024 * 1024;

/** Disposal removes the file. Fields are keyed as sent, without a closing `[]`; values are in the order of the body. */
export interface Upload extends AsyncDisposable {
  /** The part named `file`; null: there is the field `url` instead. */
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

  await using owned = new AsyncDisposableStack();
  const form = new Form(contentType, limits, isWanted, owned);
  const reader = request.body.getReader();
  try {
    const pace = new Pace(limits.stallTimeoutMs);
    for (;;) {
      const { done, value } = await pace.next(form.unlessFailed(reader.read()));
      if (done) break;
      pace.received += value.length;
      if (pace.received > maxBodyBytes) throw tooLarge(limits);
      await form.write(value);
    }
    const { file, fields } = await form.end();
    const kept = owned.move();
    return { file, fields, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  } catch (error) {
    await form.abandon();
    reader.cancel().catch(() => {});
    throw error;
  }
}

/** The parts of one form. */
class Form {
  private readonly parser: busboy.Busboy;
  private readonly closed = Promise.withResolvers<void>();
  private readonly fields = new Map<string, string[]>();
  private fieldsBytes = 0;
  private stream: Readable | null = null;
  private saved: Promise<UploadedFile | null> = Promise.resolve(null);
  private failure: unknown = null;
  private interrupt: (reason: unknown) => void = () => {};

  constructor(
    contentType: string,
    private readonly limits: UploadLimits,
    private readonly isWanted: (field: string) => boolean,
    private readonly owned: AsyncDisposableStack,
  ) {
    try {
      this.parser = busboy({
        headers: { "content-type": contentType },
        defParamCharset: "utf8",
        fileHwm: 256 * 1024,
        // busboy calls a value of exactly the limit truncated.
        limits: { parts: maxParts, headerPairs: 50, fieldSize: maxFieldBytes + 1 },
      });
    } catch (error) {
      throw malformed("no boundary", error);
    }
    // busboy's types promise a name and a value; a hostile part has neither.
    this.parser.on("field", (name, value, info) => this.attempt(() => this.addField(name, value, info)));
    this.parser.on("file", (name, stream, info) => {
      stream.on("error", () => {}); // the parser tells the same error
      this.attempt(() => this.addFile(name, stream, info.filename));
    });
    this.parser.on("partsLimit", () => this.fail(malformed(`more than ${maxParts} parts`)));
    this.parser.on("error", (error) => this.fail(malformed("one that is broken or breaks off", error)));
    this.parser.on("close", () => this.closed.resolve());
  }

  /** Settles as `work` does, or throws what is wrong with the form as soon as that is known. */
  unlessFailed<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.failure) reject(this.failure);
      this.interrupt = reject;
      work.then(resolve, reject);
    });
  }

  /** Resolves when the parser takes more. */
  write(bytes: Uint8Array): Promise<void> {
    return this.unlessFailed(
      new Promise((resolve) => {
        this.parser.write(bytes, () => resolve());
      }),
    );
  }

  async end(): Promise<{ file: UploadedFile | null; fields: ReadonlyMap<string, readonly string[]> }> {
    this.parser.end();
    await this.unlessFailed(this.closed.promise);
    const file = await this.unlessFailed(this.saved);
    const hasUrl = this.fields.get("url")?.some((value) => value !== "") ?? false;
    if (file && hasUrl) throw invalidFile("Expected either file or url but received both");
    if (file || hasUrl) return { file, fields: this.fields };
    throw new AppError("missing_required_parameter", "Expected an audio file for file but received none", {
      param: "file",
    });
  }

  /** Stops reading parts; resolves when nothing is written any more. */
  async abandon(): Promise<void> {
    this.failure ??= new Error("abandoned");
    this.stream?.destroy();
    this.parser.destroy();
    await this.saved;
  }

  private fail(error: unknown): void {
    this.failure ??= error;
    this.interrupt(this.failure);
  }

  private attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fail(error);
    }
  }

  private addField(name: string | undefined, value: string | undefined, info: busboy.FieldInfo): void {
    const key = keyOf(name);
    if (key === "file") throw invalidFile("Expected a file part for file but received a text field");
    if (!this.isWanted(baseOf(key))) return;
    if (value === undefined) throw malformed(`${key} in an unknown character set`);
    this.fieldsBytes += value.length;
    if (info.valueTruncated || this.fieldsBytes > maxFieldsBytes) {
      const limit = info.valueTruncated ? maxFieldBytes : maxFieldsBytes;
      throw new AppError(
        "field_too_large",
        `Expected at most ${limit} bytes of text for ${key} but received more`,
        {
          param: key,
        },
      );
    }
    const values = this.fields.get(key) ?? [];
    values.push(value);
    this.fields.set(key, values);
  }

  private addFile(name: string | undefined, stream: Readable, filename: string | undefined): void {
    const key = keyOf(name);
    if (key === "file") {
      if (this.stream) throw invalidFile("Expected one file for file but received several");
      this.stream = stream;
      const part = stream as AsyncIterable<Buffer>;
      const named = { name: filename ?? "", field: "file" } as const;
      this.saved = saveRecording(part, named, this.limits, this.owned).catch((error) => {
        this.fail(error);
        return null;
      });
    } else if (this.isWanted(baseOf(key))) {
      throw new AppError("invalid_value", `Expected text for ${key} but received a file`, { param: key });
    } else {
      stream.resume();
    }
  }
}

/** `name` and `name[]` are the same field. */
const keyOf = (name = "") => name.replace(/\[\]$/, "");
/** `name[part]` is a part of `name`. */
const baseOf = (key: string) => key.replace(/\[.*/s, "");

const invalidFile = (message: string) => new AppError("invalid_value", message, { param: "file" });

const malformed = (what: string, cause?: unknown) =>
  new AppError("invalid_multipart", `Expected a multipart/form-data body but received ${what}`, {
    cause,
  });
