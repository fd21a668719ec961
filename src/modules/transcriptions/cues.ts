/** The fields that say how subtitles look. Any of them makes cues of words; without them a segment is a cue, as at OpenAI. */
import { type TSchema, t } from "elysia";
import { type CueShape, defaultCueShape } from "../../core/cues.ts";
import { type FieldTexts, integerIn, invalid, readForm } from "../../http/form.ts";

const cueInteger = (key: keyof CueShape, maximum: number, description: string) =>
  integerIn(0, maximum, { default: defaultCueShape[key], description });

export const cueFields = {
  maxLineWidth: cueInteger(
    "maxLineWidth",
    500,
    "srt and vtt: columns of a line; a Chinese, Japanese or Korean character takes two. 0 = no limit.",
  ),
  maxLineCount: cueInteger(
    "maxLineCount",
    20,
    "srt and vtt: lines of a cue. With `max_line_width` a cue may go on over segments. 0 = no limit.",
  ),
  maxWordsPerLine: cueInteger(
    "maxWordsPerLine",
    100,
    "srt and vtt: words of a line. Without `max_line_width` and `max_line_count` a line is a cue. 0 = no limit.",
  ),
  minCueDurationMs: cueInteger(
    "minCueDurationMs",
    60_000,
    "srt and vtt: a shorter cue stays so long, if no other begins.",
  ),
  maxCueDurationMs: cueInteger(
    "maxCueDurationMs",
    600_000,
    "srt and vtt: a longer cue is divided; 0 = no limit.",
  ),
  highlightWords: t.Boolean({
    default: defaultCueShape.highlightWords,
    description: "srt and vtt: underline each word while it is spoken.",
  }),
} as const satisfies { readonly [Key in keyof CueShape]: TSchema & { static: CueShape[Key] } };

/** null when none of them was sent. */
export function readCues(texts: FieldTexts): CueShape | null {
  const given = readForm(cueFields, texts);
  if (Object.keys(given).length === 0) return null;
  const shape: CueShape = { ...defaultCueShape, ...given };
  const { minCueDurationMs: shortest, maxCueDurationMs: longest } = shape;
  if (longest === 0 || shortest <= longest) return shape;
  // the one that was not sent gives way
  if (given.minCueDurationMs === undefined) return { ...shape, minCueDurationMs: longest };
  if (given.maxCueDurationMs === undefined) return { ...shape, maxCueDurationMs: shortest };
  throw invalid("max_cue_duration_ms", `at least min_cue_duration_ms, ${shortest},`, `${longest}`);
}
