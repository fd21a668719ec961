/** Multipart bodies byte by byte, for what FormData cannot say. */

export const boundary = "----boundary";
export const contentType = `multipart/form-data; boundary=${boundary}`;

/** One part with its delimiter before it. */
export const part = (headers: string, body: string) => `--${boundary}\r\n${headers}\r\n\r\n${body}\r\n`;
export const fieldPart = (name: string, value: string) =>
  part(`Content-Disposition: form-data; name="${name}"`, value);
export const filePart = (body: string, filename = "speech.wav", name = "file") =>
  part(
    `Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: application/octet-stream`,
    body,
  );
export const closing = `--${boundary}--\r\n`;

/** `text` in pieces of `size` bytes. */
export function inPieces(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, at + size));
      at += size;
    },
  });
}
