import { expect, test } from "bun:test";
import { boundaryOf, MultipartError, MultipartParser, type PartHeaders } from "../../src/http/multipart.ts";

interface Part extends PartHeaders {
  readonly text: string;
}

/** The parts of a body that is fed in pieces of `size` bytes. */
function parse(body: string, size = body.length || 1, boundary = "B"): Part[] {
  const parser = new MultipartParser(boundary);
  const bytes = Buffer.from(body, "latin1");
  const parts: Part[] = [];
  let open: { part: PartHeaders; bytes: number[] } | null = null;
  for (let at = 0; at < bytes.length; at += size) {
    parser.feed(Uint8Array.from(bytes.subarray(at, at + size)));
    for (let piece = parser.next(); piece; piece = parser.next()) {
      if (piece.type === "part") open = { part: piece.part, bytes: [] };
      else if (piece.type === "data") open?.bytes.push(...piece.bytes);
      else if (open) {
        parts.push({ ...open.part, text: Buffer.from(open.bytes).toString("latin1") });
        open = null;
      }
    }
  }
  parser.end();
  return parts;
}

const field = (name: string, text: string) =>
  `--B\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${text}\r\n`;
const read = (headers: string) => parse(`--B\r\n${headers}\r\n\r\nx\r\n--B--`)[0];

test("a body is the same parts however it is cut", () => {
  // all that a delimiter begins with, and that it is not
  const hard = ["", "\r", "\r\n", "\r\n-", "\r\n--", "\r\n--\r\n--\r\n--A", "\n--B", "\r\r\r\n--A", "\0\xff"];
  const body = `${hard.map((text, index) => field(`${index}`, text)).join("")}--B--\r\n`;
  for (let size = 1; size <= body.length; size += 1) {
    expect(parse(body, size).map(({ text }) => text)).toEqual(hard);
  }
});

test("what stands before the first delimiter and after the last one is read over", () => {
  for (const size of [1, 3, 1000]) {
    expect(parse(`preamble\r\n${field("a", "1")}--B--epilogue\r\n--B\r\n`, size)).toHaveLength(1);
    expect(parse(`\r\n${field("a", "1")}--B--`, size)).toHaveLength(1);
  }
});

test("a delimiter may be followed by blanks, and by nothing else", () => {
  expect(parse("--B \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--")).toMatchObject([
    { name: "a", text: "1" },
  ]);
  expect(() => parse(`${field("a", "1")}--Bx\r\n\r\n\r\n--B--`)).toThrow(MultipartError);
});

test("a body that breaks off anywhere is an error, and only that", () => {
  const body = `${field("a", "1")}--B--`;
  for (let length = 0; length < body.length; length += 1) {
    expect(() => parse(body.slice(0, length))).toThrow(MultipartError);
  }
  expect(parse(body)).toHaveLength(1);
});

test("headers have a limit, though they come a few bytes at a time", () => {
  const endless = `--B\r\nX: ${"x".repeat(20_000)}`;
  expect(() => parse(endless)).toThrow(/headers/);
  expect(() => parse(endless, 100)).toThrow(/headers/);
});

test("names are read as clients write them", () => {
  for (const [disposition, name, filename] of [
    ['form-data; name="file"; filename="a.wav"', "file", "a.wav"],
    ["FORM-DATA;NAME=file;FileName=a.wav", "file", "a.wav"],
    ['form-data; filename="a;name=b.wav"; name="file"', "file", "a;name=b.wav"],
    ['form-data; name="quo\\"te\\\\"', 'quo"te\\', null],
    ['form-data; name="file"; filename="C:\\dir\\a.wav"', "file", "C:\\dir\\a.wav"],
    ['form-data; name="file"; filename=""', "file", ""],
    ["form-data; name=\"file\"; filename*=UTF-8''a.wav", "file", ""],
    ['form-data; name="a"; name="b"', "a", null],
    ["form-data", "", null],
    ['attachment; name="file"', "", null],
    ['form-data; name="unclosed', "", null],
  ] as const) {
    expect([disposition, read(`Content-Disposition: ${disposition}`)]).toEqual([
      disposition,
      { name, filename, charset: null, text: "x" },
    ]);
  }
  expect(
    read("content-disposition: form-data; name=f\r\nContent-Type: application/octet-stream"),
  ).toMatchObject({
    filename: "",
  });
  expect(
    read("Content-Disposition: form-data; name=f\r\nContent-Type: text/plain; charset=UTF-16LE"),
  ).toMatchObject({
    charset: "UTF-16LE",
  });
});

test("a boundary is taken from the content type, quoted or not", () => {
  for (const [contentType, boundary] of [
    ["multipart/form-data; boundary=abc", "abc"],
    ['multipart/form-data; charset=utf-8; Boundary="a b;c"', "a b;c"],
    ["multipart/form-data", null],
    ["multipart/form-data; boundary=", null],
    [`multipart/form-data; boundary=${"x".repeat(201)}`, null],
  ] as const) {
    expect([contentType, boundaryOf(contentType)]).toEqual([contentType, boundary]);
  }
});
