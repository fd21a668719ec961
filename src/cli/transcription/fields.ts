/** The options of `transcribe` that are fields of the API: the same table, the same checks, the same sentences. */
import { Option } from "commander";
import type { TSchema } from "elysia";
import { languageCodes } from "../../core/languages.ts";
import { type FieldTexts, readForm, wireName } from "../../http/form.ts";
import { transcriptionFields, translationFields } from "../../modules/transcriptions/schema.ts";
import { suggest } from "../command.ts";

/** Said in another way here, or of no use here. */
const otherwise = new Set(["model", "responseFormat", "stream", "timestampGranularities", "vadFilter"]);

const fields = Object.entries<TSchema>(transcriptionFields).filter(([key]) => !otherwise.has(key));

/** First in the help: what most people look for. */
const common = ["language", "prompt", "keywords", "vad", "temperature"];

/** `--beam-size` for `beam_size`; what is off by default is a switch, what is on takes true or false. */
export function fieldOptions(): Option[] {
  const rank = (key: string) => (common.includes(key) ? common.indexOf(key) : common.length);
  return fields
    .toSorted(([a], [b]) => rank(a) - rank(b))
    .map(([key, schema]) =>
      fieldOption(key, schema).helpGroup(
        common.includes(key) ? "Transcription:" : "Fields of the API, as documented there:",
      ),
    );
}

function fieldOption(key: string, schema: TSchema): Option {
  const name = wireName(key).replaceAll("_", "-");
  const description = (schema.description ?? "").replaceAll("`", "");
  const unset = schema.default === undefined ? "" : ` (default: ${schema.default})`;
  const isSwitch = schema.type === "boolean" && schema.default !== true;
  const isList = schema.type === "array";
  const value =
    isList || schema.type === "string" ? "text" : schema.type === "boolean" ? "boolean" : "number";
  const option = isSwitch
    ? new Option(`--${name}`, description)
    : new Option(`--${name} <${value}>`, description + (isList ? " May be given again." : unset));
  // commander would take no_speech_threshold for a switch that is off
  option.negate = false;
  if (isList) option.argParser((text: string, before: readonly string[] = []) => [...before, text]);
  const choices = schema.type === "boolean" ? ["true", "false"] : (schema.enum ?? schema.items?.enum);
  if (choices && !isSwitch) option.choices(choices);
  return key.startsWith("language") ? suggest(option, languageCodes) : option;
}

/**
 * What was given, as a form would carry it. Throws the API's invalid_value for what no server would take, before anything is
 * loaded or sent.
 */
export function fieldTexts(given: Readonly<Record<string, unknown>>, isTranslation: boolean): FieldTexts {
  const texts = new Map<string, readonly string[]>();
  for (const [key] of fields) {
    const value = given[key];
    if (value === undefined) continue;
    texts.set(wireName(key), Array.isArray(value) ? value.map(String) : [String(value)]);
  }
  readForm(isTranslation ? translationFields : transcriptionFields, texts);
  return texts;
}
