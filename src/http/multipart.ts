/**
 * Multipart bodies (RFC 2046, RFC 7578) piece by piece, as they come. Knows no limits but that of a part's headers: whoever reads the
 * pieces says what is too much. Of each byte no more is asked than whether a delimiter begins there, which `indexOf` answers at the
 * speed of memory.
 */

/** What is between two delimiters: one `part`, its bytes in any number of pieces, one `end`. */
export type Piece =
  | { readonly type: "part"; readonly part: PartHeaders }
  /** Views of what was fed. */
  | { readonly type: "data"; readonly bytes: Uint8Array }
  | { readonly type: "end" };

export interface PartHeaders {
  /** "" when it has none. */
  readonly name: string;
  /** null: a text field. As the client wrote it. */
  readonly filename: string | null;
  /** As written in the content type; null: it says none. */
  readonly charset: string | null;
}

/** The body is none, or breaks off; the message says what was received in place of one. */
export class MultipartError extends Error {
  override readonly name = "MultipartError";
}

const maxHeaderBytes = 8 * 1024;
const headersEnd = Buffer.from("\r\n\r\n");
const carriageReturn = 0x0d;
const dash = 0x2d;

/** The boundary that a content type names; null: none that may be. */
export function boundaryOf(contentType: string): string | null {
  const boundary = parameters(contentType).get("boundary") ?? "";
  return boundary !== "" && boundary.length <= 200 ? boundary : null;
}

/** Fed with the body as it comes; gives the pieces that it can tell so far. */
export class MultipartParser {
  private readonly delimiter: Buffer;
  private state: "start" | "preamble" | "headers" | "body" | "done" = "start";
  private data: Buffer = Buffer.alloc(0);
  private at = 0;

  constructor(boundary: string) {
    this.delimiter = Buffer.from(`\r\n--${boundary}`);
  }

  /** To be called when `next` has given null. The views of earlier pieces stay as they are. */
  feed(chunk: Uint8Array): void {
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const rest = this.data.subarray(this.at);
    this.data = rest.length > 0 ? Buffer.concat([rest, fresh]) : fresh;
    this.at = 0;
  }

  /** null: more is needed. Throws MultipartError. */
  next(): Piece | null {
    switch (this.state) {
      case "start": {
        // The first delimiter may do without its line end.
        const first = this.delimiter.subarray(2);
        if (this.data.length < first.length) return null;
        const isFirst = this.data.subarray(0, first.length).equals(first);
        if (isFirst) this.at = first.length;
        this.state = isFirst ? "headers" : "preamble";
        return this.next();
      }
      case "preamble":
        for (let content = this.content(); content; content = this.content()) {
          if (content === "delimiter") return this.headers();
        }
        return null;
      case "headers":
        return this.headers();
      case "body": {
        const content = this.content();
        return content === "delimiter" ? { type: "end" } : content && { type: "data", bytes: content };
      }
      case "done":
        this.at = this.data.length;
        return null;
    }
  }

  /** Throws MultipartError when the last delimiter has not come. */
  end(): void {
    if (this.state !== "done") throw new MultipartError("one that breaks off");
  }

  /** What is no delimiter, as far as that can be told; null: nothing can. */
  private content(): Uint8Array | "delimiter" | null {
    const { data, delimiter, at } = this;
    const found = data.indexOf(delimiter, at);
    if (found === at) {
      this.at += delimiter.length;
      this.state = "headers";
      return "delimiter";
    }
    this.at = found < 0 ? Math.max(at, this.possibleDelimiter()) : found;
    return this.at > at ? data.subarray(at, this.at) : null;
  }

  /** Where at the end of the data a delimiter may begin. */
  private possibleDelimiter(): number {
    const { data, delimiter } = this;
    for (let at = Math.max(0, data.length - delimiter.length + 1); at < data.length; at += 1) {
      if (data[at] === carriageReturn && delimiter.indexOf(data.subarray(at)) === 0) return at;
    }
    return data.length;
  }

  /** What follows a delimiter: "--" after the last one, else the rest of its line and the headers of a part. */
  private headers(): Piece | null {
    const { data, at } = this;
    if (data.length - at < 2) return null;
    if (data[at] === dash && data[at + 1] === dash) {
      this.state = "done";
      return this.next();
    }
    const found = data.indexOf(headersEnd, at);
    if ((found < 0 ? data.length : found) - at > maxHeaderBytes) {
      throw new MultipartError(`a part with more than ${maxHeaderBytes} bytes of headers`);
    }
    if (found < 0) return null;
    this.at = found + headersEnd.length;
    this.state = "body";
    const [padding = "", ...lines] = data.toString("utf8", at, found).split("\r\n");
    if (!/^[ \t]*$/.test(padding)) throw new MultipartError("a delimiter that goes on");
    return { type: "part", part: partHeaders(lines) };
  }
}

/** Headers that are unknown or make no sense are read over. */
function partHeaders(lines: readonly string[]): PartHeaders {
  const header = (name: string) =>
    lines.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1) ?? "";
  const disposition = header("content-disposition");
  const contentType = header("content-type");
  const isFormData = /^\s*form-data\s*(;|$)/i.test(disposition);
  const given = isFormData ? parameters(disposition) : new Map<string, string>();
  const isFile = given.has("filename") || given.has("filename*");
  const isBytes = /^\s*application\/octet-stream\s*(;|$)/i.test(contentType);
  return {
    name: given.get("name") ?? "",
    filename: isFile || isBytes ? (given.get("filename") ?? "") : null,
    charset: parameters(contentType).get("charset") ?? null,
  };
}

/** `; name=value; name="value"`, by names in lower case; the first of a name counts. Quoted values may escape quotes. */
function parameters(header: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = "", quoted, bare = ""] of header.matchAll(
    /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g,
  )) {
    const key = name.toLowerCase();
    if (!found.has(key)) found.set(key, quoted?.replace(/\\(["\\])/g, "$1") ?? bare);
  }
  return found;
}
