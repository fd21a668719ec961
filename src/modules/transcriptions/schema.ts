/** The fields of a transcription request. Decoding options carry the names of core/options.ts, on the wire in snake_case. */
import { type TSchema, t } from "elysia";
import { responseFormats } from "../../core/formats.ts";
import { defaultOptions, largestSeed, type Options } from "../../core/options.ts";
import { integerIn } from "../../http/form.ts";
import { cueFields } from "./cues.ts";

const longestMs = 2 ** 31 - 1;

const flag = (key: keyof Options, description: string) =>
  t.Boolean({ default: defaultOptions[key], description });
const number = (key: keyof Options, minimum: number, maximum: number, description: string) =>
  t.Number({ minimum, maximum, default: defaultOptions[key], description });
const integer = (key: keyof Options, minimum: number, maximum: number, description: string) =>
  integerIn(minimum, maximum, { default: defaultOptions[key], description });
/** Without options UnionEnum would document its first value as the default. */
const choice = <const Values extends readonly [string, ...string[]]>(
  values: Values,
  options: NonNullable<Parameters<typeof t.UnionEnum>[1]> = {},
) => t.UnionEnum(values, { default: undefined, ...options });
const list = <Item extends TSchema>(item: Item, maxItems: number, description: string) =>
  t.Array(item, { maxItems, description });

/** Fields that go into `Options` as they are. */
export const decodingFields = {
  temperature: number(
    "temperature",
    0,
    1,
    "0 takes the most probable words. When that fails, higher temperatures are tried in steps of `temperature_increment`.",
  ),
  beamSize: integer("beamSize", 1, 8, "Beams at temperature 0; 1 = greedy, which is faster."),
  patience: number(
    "patience",
    0.1,
    10,
    "Beam search ends when this many times `beam_size` sequences have ended.",
  ),
  bestOf: integer("bestOf", 1, 8, "Candidates per attempt at a temperature above 0."),
  temperatureIncrement: number(
    "temperatureIncrement",
    0,
    1,
    "Step to the next temperature after a failed attempt; 0 = no fallback.",
  ),
  seed: integerIn(0, largestSeed, {
    description:
      "Of what is drawn at temperatures above 0: the same seed gives the same text. Absent: 0 for temperature 0, else another one each time.",
  }),
  logprobThreshold: number(
    "logprobThreshold",
    -100,
    0,
    "An attempt fails when its mean log-probability is lower.",
  ),
  noSpeechThreshold: number(
    "noSpeechThreshold",
    0,
    1,
    "A window is silent when its no-speech probability is higher and its mean log-probability is under `logprob_threshold`.",
  ),
  compressionRatioThreshold: number(
    "compressionRatioThreshold",
    0,
    100,
    "An attempt fails as a repetition when its text compresses better than this.",
  ),
  conditionOnPreviousText: flag(
    "conditionOnPreviousText",
    "Give each 30-second window the text of those before it.",
  ),
  carryPrompt: flag("carryPrompt", "Put the prompt before every window, not only before the first."),
  suppressBlank: flag("suppressBlank", "No blank at the start of a window."),
  suppressNonSpeech: flag("suppressNonSpeech", "No tokens that are not speech: brackets, notes, symbols."),
  lengthPenalty: number(
    "lengthPenalty",
    -1,
    10,
    "Exponent of the length in the score of a candidate; -1 = divide by the length.",
  ),
  maxInitialTimestampMs: integer(
    "maxInitialTimestampMs",
    0,
    30_000,
    "Latest first timestamp of a window; 0 = no limit.",
  ),
  timestamps: flag("timestamps", "Decode timestamps; without them a window is one segment."),
  offsetMs: integer("offsetMs", 0, longestMs, "Where to begin in the recording."),
  durationMs: integer("durationMs", 0, longestMs, "How much to transcribe; 0 = to the end."),
  speakerTurns: flag(
    "speakerTurns",
    "Tell where the speaker changes, but not who speaks: for `diarized_json` and cues (tinydiarize models only).",
  ),
  vadThreshold: number("vadThreshold", 0, 1, "Probability above which sound is speech."),
  vadMinSpeechMs: integer("vadMinSpeechMs", 0, longestMs, "Shorter speech is dropped."),
  vadMinSilenceMs: integer(
    "vadMinSilenceMs",
    0,
    longestMs,
    "Shorter silence does not end a stretch of speech.",
  ),
  vadMaxSpeechMs: integer("vadMaxSpeechMs", 0, longestMs, "Longer speech is cut; 0 = never."),
  vadPadMs: integer("vadPadMs", 0, longestMs, "Added before and after each stretch of speech."),
} as const satisfies { readonly [Key in keyof Options]?: TSchema & { static: Options[Key] } };

const commonFields = {
  model: t.String({
    description:
      "An installed model, or any of OpenAI's names for speech models: all of them mean the server's own one, WHISPER_MODEL. " +
      "Default: that one.",
  }),
  url: t.String({
    maxLength: 2048,
    description:
      "Instead of `file`: where the recording is. http or https, at hosts with public addresses only.",
  }),
  prompt: t.String({
    description: "Text in the style of the recording, or words that occur in it. The last 224 tokens count.",
  }),
  stream: t.Boolean({
    default: false,
    description: "Send the transcript as server-sent events while it is made.",
  }),
  async: t.Boolean({
    default: false,
    description:
      "Answer 202 with a task at once; the transcript can be had from it later. `Prefer: respond-async` asks for the same.",
  }),
  webhookUrl: t.String({ maxLength: 2048, description: "Of a task: where its end is told." }),
  webhookSecret: t.String({
    maxLength: 512,
    description: "Signs what is sent there; one is made if absent.",
  }),
  timestampGranularities: list(
    choice(["word", "segment"]),
    2,
    "What gets times in verbose_json. `word` needs response_format=verbose_json.",
  ),
  include: list(
    choice(["logprobs"]),
    1,
    "`logprobs`: of every token, in response_format=json. Ignored in other formats.",
  ),
  chunkingStrategy: t.String({
    description:
      "`auto`: voice activity detection when its weights are installed. Or an object, as JSON or as `chunking_strategy[type]`...: " +
      "type=server_vad with threshold (0.5), prefix_padding_ms (300) and silence_duration_ms (200).",
  }),
  vad: t.Boolean({
    default: false,
    description: "Transcribe only where voice activity detection hears speech.",
  }),
  vadFilter: t.Boolean({ description: "Another name of `vad`." }),
  ...cueFields,
  ...decodingFields,
};

export const transcriptionFields = {
  ...commonFields,
  responseFormat: choice(responseFormats, {
    default: "json",
    description:
      "`diarized_json` takes the channels of the recording as its speakers; a mono recording has one speaker, A, or with " +
      "`speaker_turns` two that take turns, A and B.",
  }),
  language: t.String({
    description: "Code or English name of the spoken language; absent, empty or `auto`: it is detected.",
  }),
  languages: list(
    t.String(),
    100,
    "Languages that may be spoken. One alone is the language. Not together with `language`.",
  ),
  keywords: list(t.String(), 100, "Words to expect, appended to the prompt. One line each, without < and >."),
  hotwords: list(t.String(), 100, "Another name of `keywords`."),
  knownSpeakerNames: list(
    t.String({ maxLength: 256 }),
    4,
    "Names of the speakers in diarized_json, in the order of the channels, or of their first words.",
  ),
};

export const translationFields = {
  ...commonFields,
  responseFormat: choice(["json", "text", "srt", "verbose_json", "vtt"], { default: "json" }),
  language: transcriptionFields.language,
};

/** Accepted and read over: speakers are told apart by channel, not by voice. */
export const ignoredFields = {
  knownSpeakerReferences: list(
    t.String(),
    4,
    "Accepted and ignored: speakers are told apart by channel, not by voice.",
  ),
};
