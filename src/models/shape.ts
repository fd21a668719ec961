/**
 * What the header of a model's file tells, without its weights: shape, languages, precision. And the memory that a model of that shape
 * needs. Layout: whisper_model_load in whisper.cpp.
 */
import { open } from "node:fs/promises";
import { languageCodes } from "../core/languages.ts";

export interface Shape {
  readonly vocabulary: number;
  readonly audioContext: number;
  readonly audioWidth: number;
  readonly audioLayers: number;
  readonly textContext: number;
  readonly textWidth: number;
  readonly textHeads: number;
  readonly textLayers: number;
  readonly precision: string;
}

const magic = 0x67676d6c;
const headerInts = 12;

/** ggml's types by the number in the header, which has a version of the quantisation in its thousands. */
const precisions: Readonly<Record<number, string>> = {
  0: "f32",
  1: "f16",
  2: "q4_0",
  3: "q4_1",
  7: "q8_0",
  8: "q5_0",
  9: "q5_1",
  10: "q2_K",
  11: "q3_K",
  12: "q4_K",
  13: "q5_K",
  14: "q6_K",
};

/** null for a file that cannot be read or is no whisper model (Silero's have the same magic). */
export async function readShape(path: string): Promise<Shape | null> {
  const header = new DataView(new ArrayBuffer(4 * headerInts));
  try {
    await using file = await open(path);
    const { bytesRead } = await file.read(header, 0, header.byteLength);
    if (bytesRead < header.byteLength) return null;
  } catch {
    return null;
  }
  const [found, ...values] = Array.from({ length: headerInts }, (_, index) =>
    header.getInt32(4 * index, true),
  );
  const [vocabulary = 0, audioContext = 0, audioWidth = 0, , audioLayers = 0, textContext = 0] = values;
  const [textWidth = 0, textHeads = 0, textLayers = 0, , type = 0] = values.slice(6);
  const audio = { audioContext, audioWidth, audioLayers };
  const shape = { vocabulary, ...audio, textContext, textWidth, textHeads, textLayers };
  const isPlausible =
    Object.values(shape).every((value) => value > 0 && value < 2 ** 20) && vocabulary >= englishVocabulary;
  if (found !== magic || !isPlausible) return null;
  return { ...shape, precision: precisions[type % 1000] ?? "unknown" };
}

const englishVocabulary = 51_864;

export const isMultilingual = ({ vocabulary }: Pick<Shape, "vocabulary">) => vocabulary > englishVocabulary;

/** In whisper's order: larger vocabularies know more. */
export function languagesOf(shape: Pick<Shape, "vocabulary">): readonly string[] {
  return isMultilingual(shape) ? languageCodes.slice(0, shape.vocabulary - 51_766) : ["en"];
}

/** Width and layers of the encoder, by the name of the size. */
export const families = {
  tiny: { audioWidth: 384, audioLayers: 4 },
  base: { audioWidth: 512, audioLayers: 6 },
  small: { audioWidth: 768, audioLayers: 12 },
  medium: { audioWidth: 1024, audioLayers: 24 },
  large: { audioWidth: 1280, audioLayers: 32 },
} as const;

/** The shape of a model of the catalogue, by its name: `large-v3-turbo-q5_0`, `distil-small.en`. */
export function shapeNamed(name: string): Shape {
  const [, distilled, family] = /^(distil-)?([a-z]+)/.exec(name) ?? [];
  const { audioWidth, audioLayers } = families[family as keyof typeof families];
  const isEnglish = /\.en\b/.test(name);
  const isThird = /-v3/.test(name);
  let textLayers: number = audioLayers;
  if (/-turbo/.test(name)) textLayers = 4;
  if (distilled) textLayers = family === "small" ? 4 : 2;
  return {
    vocabulary: isEnglish ? englishVocabulary : isThird ? 51_866 : 51_865,
    ...{ audioContext: 1500, audioWidth, audioLayers },
    ...{ textContext: 448, textWidth: audioWidth, textHeads: audioWidth / 64, textLayers },
    precision: /-(q\d_\d)$/.exec(name)?.[1] ?? "f16",
  };
}

/** Sequences that a window may be decoded as at the same time: kMostLanes in native/engine/caches.h. */
const lanes = 8;

/**
 * What a window that is decoded takes; as Caches::bytes_per_slot on a CPU. A GPU keeps in 16 bits what was heard: it has fewer slots in
 * the same memory.
 */
export function bytesPerSlot(shape: Shape): number {
  const { audioContext, audioWidth, textContext, textWidth, textHeads, textLayers } = shape;
  const half = Math.floor(textContext / 2);
  const cells = textContext - half + lanes * half;
  const heard = audioContext * (textWidth + 4 * textHeads) + 4 * textWidth;
  const said = cells * 2 * textWidth;
  return 2 * (heard + said) * textLayers + 4 * audioWidth * audioContext;
}

/** Graphs and vocabulary. */
const overheadBytes = 16 * 2 ** 20;

/**
 * The memory of a model with all its slots in use. Its file is nearly all weights, which are kept as they are; with the slots that was
 * an upper bound of what was measured, for shapes from the demo to small.
 */
export const memoryBytes = (fileBytes: number, shape: Shape, slots: number): number =>
  fileBytes + slots * bytesPerSlot(shape) + overheadBytes;
