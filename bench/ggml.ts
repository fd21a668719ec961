/**
 * whisper.cpp's model format: magic, eleven hyper-parameters, mel filters, vocabulary, then tensors to the end of the
 * file. Reads tensors in f32, f16 and q8_0; writes matrices in f16 and vectors and positional embeddings in f32.
 */

const magic = 0x67676d6c;

export interface Tensor {
  readonly name: string;
  /** As stored: innermost first. */
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export interface Header {
  readonly vocabulary: number;
  readonly audioContext: number;
  /** Width of encoder and decoder. */
  readonly state: number;
  readonly heads: number;
  readonly audioLayers: number;
  readonly textContext: number;
  readonly textLayers: number;
  readonly mels: number;
}

export interface ModelFile {
  readonly header: Header;
  /** Mel filters and vocabulary, as stored. */
  readonly tables: Uint8Array;
  readonly tensors: readonly Tensor[];
}

/** Throws when the file is not such a model, or ends early (RangeError). */
export async function readModel(path: string): Promise<ModelFile> {
  const bytes = await Bun.file(path).arrayBuffer();
  const view = new DataView(bytes);
  let at = 0;
  const int = () => {
    at += 4;
    return view.getInt32(at - 4, true);
  };
  if (int() !== magic) throw new Error(`${path} is not a model of whisper.cpp`);
  const [vocabulary, audioContext, state, heads, audioLayers, textContext] = [
    int(),
    int(),
    int(),
    int(),
    int(),
    int(),
  ];
  const [, , textLayers, mels] = [int(), int(), int(), int()];
  int(); // precision
  const tablesFrom = at;
  at += 8 + 4 * view.getInt32(at, true) * view.getInt32(at + 4, true);
  for (let words = int(); words > 0; words--) at += 4 + view.getUint32(at, true);
  const tables = new Uint8Array(bytes, tablesFrom, at - tablesFrom);

  const tensors: Tensor[] = [];
  while (at < bytes.byteLength) {
    const [rank, nameLength, type] = [int(), int(), int()];
    const dims = Array.from({ length: rank }, int);
    const name = new TextDecoder().decode(new Uint8Array(bytes, at, nameLength));
    at += nameLength;
    const size = dims.reduce((a, b) => a * b, 1);
    const codec = codecs.get(type);
    if (!codec) throw new Error(`tensor ${name} has type ${type}; only f32, f16 and q8_0 are read`);
    const data = new Float32Array(size);
    for (let i = 0; i < size; i++) data[i] = codec.value(view, at, i);
    at += codec.bytes(size);
    tensors.push({ name, dims, data });
  }
  return {
    header: { vocabulary, audioContext, state, heads, audioLayers, textContext, textLayers, mels },
    tables,
    tensors,
  };
}

interface Codec {
  bytes(size: number): number;
  value(view: DataView, at: number, index: number): number;
}

const codecs = new Map<number, Codec>([
  [0, { bytes: (size) => 4 * size, value: (view, at, i) => view.getFloat32(at + 4 * i, true) }],
  [1, { bytes: (size) => 2 * size, value: (view, at, i) => view.getFloat16(at + 2 * i, true) }],
  [
    8, // q8_0: blocks of one f16 scale and 32 bytes
    {
      bytes: (size) => (34 * size) / 32,
      value: (view, at, i) => {
        const block = at + 34 * Math.floor(i / 32);
        return view.getFloat16(block, true) * view.getInt8(block + 2 + (i % 32));
      },
    },
  ],
]);

/** Replaces what is at `path`. */
export async function writeModel(path: string, { header, tables, tensors }: ModelFile): Promise<void> {
  await Bun.write(path, ""); // a file sink does not truncate
  const sink = Bun.file(path).writer({ highWaterMark: 1 << 22 });
  const ints = (...values: number[]) => sink.write(new Int32Array(values));
  const { vocabulary, audioContext, state, heads, audioLayers, textContext, textLayers, mels } = header;
  ints(
    magic,
    vocabulary,
    audioContext,
    state,
    heads,
    audioLayers,
    textContext,
    state,
    heads,
    textLayers,
    mels,
    1,
  );
  sink.write(tables);
  for (const { name, dims, data } of tensors) {
    const single = dims.length === 1 || /bias$|positional/.test(name); // what whisper.cpp expects in f32
    const label = new TextEncoder().encode(name);
    ints(dims.length, label.length, single ? 0 : 1, ...dims);
    sink.write(label);
    sink.write(single ? data : new Float16Array(data));
    await sink.flush();
  }
  await sink.end();
}
