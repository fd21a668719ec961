/** chunking_strategy: OpenAI's name for voice activity detection. Clients write it in three ways. */
import { t } from "elysia";
import { type FieldTexts, integerIn, invalid, readForm, wireName } from "../../http/form.ts";
import { quote } from "../../http/quote.ts";

const field = "chunking_strategy";

const serverVad = {
  type: t.UnionEnum(["server_vad"]),
  threshold: t.Number({ minimum: 0, maximum: 1 }),
  prefixPaddingMs: integerIn(0, 60_000),
  silenceDurationMs: integerIn(0, 60_000),
};

const subfield = (key: string) => `${field}[${wireName(key)}]`;

/** "auto": where it is possible. Else the settings of server_vad, with OpenAI's defaults. */
export type Chunking =
  | "auto"
  | { readonly vadThreshold: number; readonly vadPadMs: number; readonly vadMinSilenceMs: number };

/** Reads `auto`, an object as JSON, or `chunking_strategy[type]` and so on. null: none of them was sent. */
export function readChunking(texts: FieldTexts): Chunking | null {
  const [text] = texts.get(field) ?? [];
  const isBracketed = [...texts.keys()].some((key) => key.startsWith(`${field}[`));
  if (!isBracketed && (text === undefined || text === "")) return null;
  if (!isBracketed && text === "auto") return "auto";
  const given = readForm(serverVad, isBracketed ? texts : parseObject(text ?? ""), subfield);
  if (given.type === undefined) throw invalid(field, "server_vad as the type", "none");
  return {
    vadThreshold: given.threshold ?? 0.5,
    vadPadMs: given.prefixPaddingMs ?? 300,
    vadMinSilenceMs: given.silenceDurationMs ?? 200,
  };
}

function parseObject(text: string): FieldTexts {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const written = (inner: unknown) => (typeof inner === "string" ? inner : JSON.stringify(inner));
      return new Map(Object.entries(value).map(([key, inner]) => [`${field}[${key}]`, [written(inner)]]));
    }
  } catch {
    // told below
  }
  throw invalid(field, "auto or an object of type server_vad", quote(text));
}
