/**
 * Widens a small whisper model to the exact shape of a larger one without changing what it says, so that speed and
 * memory can be measured at real size with real text.
 *
 * Every channel is repeated k times. A layer norm over k equal copies has the same mean and variance; a linear map over
 * k equal inputs is kept by dividing its weights by k; attention heads repeat; the tied output embedding would give k
 * times the logits, so the decoder's last layer norm is divided by k. Missing layers are added with zero output
 * projections: they compute, and add nothing to the residual stream.
 */
import { rename } from "node:fs/promises";
import { families } from "../src/models/shape.ts";
import { readModel, type Tensor, writeModel } from "./ggml.ts";

export type Shape = keyof typeof families;

export function isShape(name: string): name is Shape {
  return Object.hasOwn(families, name);
}

/** Writes `source` in the given shape to `target` (f16). Throws when the small model does not fit into the shape. */
export async function widen(source: string, shapeName: Shape, target: string): Promise<void> {
  const shape = families[shapeName];
  const model = await readModel(source);
  const { state, heads, audioLayers, textLayers } = model.header;
  const k = shape.audioWidth / state;
  if (!Number.isInteger(k) || shape.audioLayers < Math.max(audioLayers, textLayers)) {
    throw new Error(
      `a ${state}-wide, ${audioLayers}+${textLayers}-layer model does not fit into ${shapeName}`,
    );
  }
  const tensors = model.tensors.map((tensor) => widenTensor(tensor, k));
  const added = [
    ...addedLayers(tensors, "encoder", audioLayers, shape.audioLayers),
    ...addedLayers(tensors, "decoder", textLayers, shape.audioLayers),
  ];
  const header = {
    ...model.header,
    state: shape.audioWidth,
    heads: heads * k,
    audioLayers: shape.audioLayers,
    textLayers: shape.audioLayers,
  };
  const partial = `${target}.part`;
  await writeModel(partial, { header, tables: model.tables, tensors: [...tensors, ...added] });
  await rename(partial, target);
}

/** Copies of layer 0 that add nothing to what passes through them. */
function addedLayers(tensors: readonly Tensor[], side: string, have: number, want: number): Tensor[] {
  const first = tensors.filter((tensor) => tensor.name.startsWith(`${side}.blocks.0.`));
  return first.flatMap((tensor) => {
    const addsToStream = /(attn\.out|mlp\.2)\./.test(tensor.name);
    const data = addsToStream ? new Float32Array(tensor.data.length) : tensor.data;
    return Array.from({ length: want - have }, (_, i) => ({
      ...tensor,
      name: tensor.name.replace("blocks.0", `blocks.${have + i}`),
      data,
    }));
  });
}

function widenTensor(tensor: Tensor, k: number): Tensor {
  const { name, dims } = tensor;
  if (name === "encoder.conv1.weight") return repeat(tensor, 2, k);
  if (name === "encoder.conv2.weight") return repeat(repeat(tensor, 2, k), 1, k, 1 / k);
  if (/conv\d\.bias$/.test(name)) return repeat(tensor, dims.length - 1, k);
  if (/embedding/.test(name)) return repeat(tensor, 0, k);
  if (/^decoder\.ln\./.test(name)) return repeat(tensor, 0, k, 1 / k);
  if (dims.length === 2) return repeat(repeat(tensor, 1, k), 0, k, 1 / k);
  return repeat(tensor, 0, k);
}

/** Repeats one axis (0 = innermost) k times, every copy multiplied by `scale`. */
function repeat({ name, dims, data }: Tensor, axis: number, k: number, scale = 1): Tensor {
  const size = (axes: readonly number[]) => axes.reduce((a, b) => a * b, 1);
  const run = size(dims.slice(0, axis + 1));
  const scaled = scale === 1 ? data : data.map((value) => value * scale);
  const out = new Float32Array(data.length * k);
  for (let from = 0; from < data.length; from += run) {
    const part = scaled.subarray(from, from + run);
    for (let copy = 0; copy < k; copy++) out.set(part, from * k + copy * run);
  }
  return { name, dims: dims.map((d, i) => (i === axis ? d * k : d)), data: out };
}
