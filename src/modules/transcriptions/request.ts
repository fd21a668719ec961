/** From form fields to what is to be done: complete options, and how the answer is to look. */
import { AppError } from "../../core/errors.ts";
import type { View } from "../../core/formats.ts";
import { parseLanguage } from "../../core/languages.ts";
import { defaultOptions, type Options } from "../../core/options.ts";
import type { ModelInfo } from "../../engine/engine.ts";
import { type FieldTexts, type FieldValues, invalid, readForm } from "../../http/form.ts";
import { quote } from "../../http/quote.ts";
import type { WatcherRequest } from "../../tasks/watchers.ts";
import { readChunking } from "./chunking.ts";
import { readCues } from "./cues.ts";
import { decodingFields, transcriptionFields, translationFields } from "./schema.ts";

export interface TranscriptionForm {
  readonly options: Options;
  readonly view: View;
  readonly stream: boolean;
  /** Where the recording is; null: it came with the form. */
  readonly url: string | null;
  /** Whether a task is wanted; undefined: the form does not say. */
  readonly async: boolean | undefined;
  /** Who is to be told how the task ends. */
  readonly watcher: WatcherRequest | null;
}

/** What a request has to be fit for. */
type RequestedModel = Pick<ModelInfo, "id" | "multilingual" | "languages">;

type Given = FieldValues<typeof transcriptionFields>;

/** Throws an AppError that names the field. `hasVad`: whether voice activity detection has its weights. */
export function readRequest(
  task: Options["task"],
  texts: FieldTexts,
  model: RequestedModel,
  hasVad: boolean,
): TranscriptionForm {
  const given: Given = readForm(task === "translate" ? translationFields : transcriptionFields, texts);
  const {
    url = "",
    prompt = "",
    stream = false,
    async: isAsync,
    webhookUrl,
    webhookSecret,
    responseFormat = "json",
    timestampGranularities: granularities = [],
    include = [],
    keywords = [],
    hotwords = [],
    knownSpeakerNames: speakerNames = [],
    language,
    languages,
    vad,
    vadFilter,
  } = given;
  const decoding = readForm(decodingFields, texts);
  if (task === "translate" && !model.multilingual) {
    throw invalid("model", "a multilingual model", `${quote(model.id)}, which only knows English`);
  }
  const words = granularities.includes("word");
  if (words && responseFormat !== "verbose_json") {
    throw invalid(
      "timestamp_granularities",
      "word only with response_format verbose_json",
      quote(responseFormat),
    );
  }
  const isSubtitle = responseFormat === "srt" || responseFormat === "vtt";
  const cues = isSubtitle ? readCues(texts) : null;
  return {
    options: {
      ...defaultOptions,
      ...readVad(vad ?? vadFilter, texts, hasVad),
      ...decoding,
      task,
      language: readLanguage(language, languages, model),
      prompt: withKeywords(prompt, { keywords, hotwords }),
      wordTimes: words || cues !== null,
      splitChannels: responseFormat === "diarized_json",
    },
    view: {
      responseFormat,
      task,
      words,
      segments: granularities.length === 0 || granularities.includes("segment"),
      logprobs: include.includes("logprobs"),
      speakerNames,
      speakerTurns: decoding.speakerTurns ?? false,
      cues,
    },
    stream,
    url: url === "" ? null : url,
    async: isAsync,
    watcher: webhookUrl === undefined ? null : { url: webhookUrl, secret: webhookSecret ?? null },
  };
}

function readLanguage(
  language: Given["language"],
  languages: Given["languages"],
  model: RequestedModel,
): string {
  if (language && languages) throw invalid("languages", "either language or languages", "both");
  const codes = (languages ?? []).map((text) => parseCode("languages", text, model));
  if (language && language !== "auto") return parseCode("language", language, model);
  const [only] = codes.length === 1 ? codes : [];
  return only ?? (model.multilingual ? "auto" : "en");
}

function parseCode(field: string, text: string, model: RequestedModel): string {
  const code = parseLanguage(text);
  if (code === null) {
    throw new AppError(
      "invalid_language_format",
      `Expected an ISO 639-1 code for ${field} but received ${quote(text)}`,
      {
        param: field,
      },
    );
  }
  if (!model.languages.includes(code)) {
    throw invalid(
      field,
      model.multilingual ? "a language that the model knows" : "en, all that the model knows,",
      quote(text),
    );
  }
  return code;
}

function withKeywords(prompt: string, fields: Readonly<Record<string, readonly string[]>>): string {
  for (const [field, words] of Object.entries(fields)) {
    const unfit = words.find((word) => /[<>\r\n]/.test(word));
    if (unfit !== undefined) throw invalid(field, "one line without < and >", quote(unfit));
  }
  const words = Object.values(fields).flat().join(", ");
  return [prompt, words].filter((text) => text !== "").join(" ");
}

/** What `vad` and chunking_strategy say together. Throws model_unavailable when it is asked for and cannot be had. */
function readVad(wanted: boolean | undefined, texts: FieldTexts, hasVad: boolean): Partial<Options> {
  const chunking = readChunking(texts);
  const settings = chunking === "auto" ? {} : (chunking ?? {});
  const vad = wanted ?? (chunking === "auto" ? hasVad : chunking !== null);
  if (vad && !hasVad) {
    throw new AppError(
      "model_unavailable",
      "Voice activity detection is not available on this server: its weights are not installed",
      { param: wanted === undefined ? "chunking_strategy" : "vad" },
    );
  }
  return { ...settings, vad };
}
