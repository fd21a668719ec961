/** Small JSON bodies. */
import { AppError } from "../core/errors.ts";

const maxBytes = 2 ** 18;

/** The value of the body; an empty body is an empty object. Throws request_too_large or invalid_json. */
export async function readJson(request: Request): Promise<unknown> {
  const decoder = new TextDecoder();
  let bytes = 0;
  let text = "";
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes)
      throw new AppError("request_too_large", `Expected a body of at most ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  try {
    return text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    throw new AppError("invalid_json", "Expected JSON as the body");
  }
}
