/**
 * Reads a multipart form whose file part may be large: it is hashed as it comes and goes to disk unless it is small, memory stays
 * flat, and whatever goes wrong the file is gone before the request ends.
 */
import type { Readable } from "node:stream";
import busboy from "busboy";
import { AppError } from "../core/errors.ts";
import { quote } from "./quote.ts";
import { SpooledFile } from "./spooled-file.ts";

/** Room for everything but the file: the texts, and fields that are read over. */
const formBytes = 4 * 1024 * 1024;
const maxParts = 200;
const maxFieldBytes = 64 * 1024;
const maxFieldsBytes = 1024 * 1024;
/** A body may take `stallTimeoutMs` and this long for each byte: whoever drips a byte now and then is refused. */
const msPerByte = 1;

export interface UploadLimits {
  readonly directory: string;
  readonly maxFileBytes: number;
  /** The longest pause between two pieces of the body. */
  readonly stallTimeoutMs: number;
}

/** The part named `file`. `name` is the client's: for logs, never for paths. */
export interface UploadedFile {
  /** Where it lies on the disk; a small one is written there now. */
  path(): Promise<string>;
  readonly bytes: number;
  readonly sha256: string;
  readonly name: string;
}

/** Disposal removes the file. Fields are keyed as sent, without a closing `[]`; values are in the order of the body. */
export interface Upload extends AsyncDisposable {
  readonly file: UploadedFile;
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

/** Watches how fast a body comes. */
class Pace {
  received = 0;
  private readonly startedAt = performance.now();

  constructor(private readonly stallTimeoutMs: number) {}

  /** Settles as `read` does; throws request_timeout when that takes too long. */
  async next<T>(read: Promise<T>): Promise<T> {
    const spentMs = performance.now() - this.startedAt;
    const leftMs = this.stallTimeoutMs + this.received * msPerByte - spentMs;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        late.reject(
          new AppError(
            "request_timeout",
            "Expected the rest of the request body but received nothing more in time",
          ),
        ),
      Math.max(0, Math.min(leftMs, this.stallTimeoutMs)),
    );
    try {
      return await Promise.race([read, late.promise]);
    } finally {
      clearTimeout(timer);
    }
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

  async end(): Promise<{ file: UploadedFile; fields: ReadonlyMap<string, readonly string[]> }> {
    this.parser.end();
    await this.unlessFailed(this.closed.promise);
    const file = await this.unlessFailed(this.saved);
    if (file) return { file, fields: this.fields };
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
      this.saved = this.save(stream, filename ?? "").catch((error) => {
        this.fail(error);
        return null;
      });
    } else if (this.isWanted(baseOf(key))) {
      throw new AppError("invalid_value", `Expected text for ${key} but received a file`, { param: key });
    } else {
      stream.resume();
    }
  }

  private async save(stream: Readable, name: string): Promise<UploadedFile> {
    const spooled = this.owned.use(new SpooledFile(this.limits.directory));
    const hasher = new Bun.CryptoHasher("sha256");
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (spooled.bytes + chunk.length > this.limits.maxFileBytes) throw tooLarge(this.limits);
      hasher.update(chunk);
      await spooled.write(chunk);
    }
    const { bytes } = spooled;
    if (bytes === 0) throw invalidFile("Expected an audio file for file but received an empty one");
    const sha256 = hasher.digest("hex");
    return { path: () => spooled.path(), bytes, sha256, name: name.slice(0, 255) };
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

const tooLarge = (limits: UploadLimits) =>
  new AppError(
    "request_too_large",
    `Expected at most ${limits.maxFileBytes} bytes for file but received more`,
    { param: "file" },
  );
