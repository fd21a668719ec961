/**
 * The weights that can be asked for by name: OpenAI's models in whisper.cpp's format, as published in `ggerganov/whisper.cpp`
 * on Hugging Face, distilled and speaker-turn models of others in repositories of their own, and the voice activity detection of
 * `ggml-org/whisper-vad`. Sizes and digests are those of the repositories' Git LFS objects, and are what a download must have,
 * wherever it comes from.
 */

/** One downloadable file of weights. */
export interface Weights {
  readonly name: string;
  /** Its file's name here. */
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 in lower-case hex. */
  readonly sha256: string;
  /** Where it is published: the repository on Hugging Face, and its file's name there. */
  readonly repository: string;
  readonly published: string;
}

/** What MODELS_URL points into, unless it is another server's folder. */
const repository = "ggerganov/whisper.cpp";

const weights = (
  name: string,
  bytes: number,
  sha256: string,
  elsewhere: Partial<Pick<Weights, "repository" | "published">> = {},
): Weights => {
  const file = `ggml-${name}.bin`;
  return { name, file, bytes, sha256, repository, published: file, ...elsewhere };
};

/**
 * Where to fetch a file: `folder` is that of `ggerganov/whisper.cpp` on Hugging Face or a server like it, and then stands for the file's
 * own repository too; any other folder holds all files, under the names that they have here.
 */
export function urlOf({ file, repository: own, published }: Weights, folder: string): string {
  const [base, part] = [folder.replace(/\/+$/, ""), `/${repository}/`];
  return base.includes(part) ? `${base.replace(part, `/${own}/`)}/${published}` : `${base}/${file}`;
}

/** q5 and q8 are quantised: smaller and, on CPUs, faster, for a little accuracy. `.en` knows English only. */
export const speechModels: readonly Weights[] = [
  weights("tiny", 77_691_713, "be07e048e1e599ad46341c8d2a135645097a538221678b7acdd1b1919c6e1b21"),
  weights("tiny-q5_1", 32_152_673, "818710568da3ca15689e31a743197b520007872ff9576237bda97bd1b469c3d7"),
  weights("tiny-q8_0", 43_537_433, "c2085835d3f50733e2ff6e4b41ae8a2b8d8110461e18821b09a15c40c42d1cca"),
  weights("tiny.en", 77_704_715, "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f"),
  weights("tiny.en-q5_1", 32_166_155, "c77c5766f1cef09b6b7d47f21b546cbddd4157886b3b5d6d4f709e91e66c7c2b"),
  weights("tiny.en-q8_0", 43_550_795, "5bc2b3860aa151a4c6e7bb095e1fcce7cf12c7b020ca08dcec0c6d018bb7dd94"),
  weights("base", 147_951_465, "60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe"),
  weights("base-q5_1", 59_707_625, "422f1ae452ade6f30a004d7e5c6a43195e4433bc370bf23fac9cc591f01a8898"),
  weights("base-q8_0", 81_768_585, "c577b9a86e7e048a0b7eada054f4dd79a56bbfa911fbdacf900ac5b567cbb7d9"),
  weights("base.en", 147_964_211, "a03779c86df3323075f5e796cb2ce5029f00ec8869eee3fdfb897afe36c6d002"),
  weights("base.en-q5_1", 59_721_011, "4baf70dd0d7c4247ba2b81fafd9c01005ac77c2f9ef064e00dcf195d0e2fdd2f"),
  weights("base.en-q8_0", 81_781_811, "a4d4a0768075e13cfd7e19df3ae2dbc4a68d37d36a7dad45e8410c9a34f8c87e"),
  weights("small", 487_601_967, "1be3a9b2063867b937e64e2ec7483364a79917e157fa98c5d94b5c1fffea987b"),
  weights("small-q5_1", 190_085_487, "ae85e4a935d7a567bd102fe55afc16bb595bdb618e11b2fc7591bc08120411bb"),
  weights("small-q8_0", 264_464_607, "49c8fb02b65e6049d5fa6c04f81f53b867b5ec9540406812c643f177317f779f"),
  weights("small.en", 487_614_201, "c6138d6d58ecc8322097e0f987c32f1be8bb0a18532a3f88f734d1bbf9c41e5d"),
  weights("small.en-q5_1", 190_098_681, "bfdff4894dcb76bbf647d56263ea2a96645423f1669176f4844a1bf8e478ad30"),
  weights("small.en-q8_0", 264_477_561, "67a179f608ea6114bd3fdb9060e762b588a3fb3bd00c4387971be4d177958067"),
  weights("medium", 1_533_763_059, "6c14d5adee5f86394037b4e4e8b59f1673b6cee10e3cf0b11bbdbee79c156208"),
  weights("medium-q5_0", 539_212_467, "19fea4b380c3a618ec4723c3eef2eb785ffba0d0538cf43f8f235e7b3b34220f"),
  weights("medium-q8_0", 823_369_779, "42a1ffcbe4167d224232443396968db4d02d4e8e87e213d3ee2e03095dea6502"),
  weights("medium.en", 1_533_774_781, "cc37e93478338ec7700281a7ac30a10128929eb8f427dda2e865faa8f6da4356"),
  weights("medium.en-q5_0", 539_225_533, "76733e26ad8fe1c7a5bf7531a9d41917b2adc0f20f2e4f5531688a8c6cd88eb0"),
  weights("medium.en-q8_0", 823_382_461, "43fa2cd084de5a04399a896a9a7a786064e221365c01700cea4666005218f11c"),
  weights("large-v1", 3_094_623_691, "7d99f41a10525d0206bddadd86760181fa920438b6b33237e3118ff6c83bb53d"),
  weights("large-v2", 3_094_623_691, "9a423fe4d40c82774b6af34115b8b935f34152246eb19e80e376071d3f999487"),
  weights("large-v2-q5_0", 1_080_732_091, "3a214837221e4530dbc1fe8d734f302af393eb30bd0ed046042ebf4baf70f6f2"),
  weights("large-v2-q8_0", 1_656_129_691, "fef54e6d898246a65c8285bfa83bd1807e27fadf54d5d4e81754c47634737e8c"),
  weights("large-v3", 3_095_033_483, "64d182b440b98d5203c4f9bd541544d84c605196c4f7b845dfa11fb23594d1e2"),
  weights("large-v3-q5_0", 1_081_140_203, "d75795ecff3f83b5faa89d1900604ad8c780abd5739fae406de19f23ecd98ad1"),
  weights(
    "large-v3-turbo",
    1_624_555_275,
    "1fc70f774d38eb169993ac391eea357ef47c88757ef72ee5943879b7e8e2bc69",
  ),
  weights(
    "large-v3-turbo-q5_0",
    574_041_195,
    "394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2",
  ),
  weights(
    "large-v3-turbo-q8_0",
    874_188_075,
    "317eb69c11673c9de1e1f0d459b253999804ec71ac4c23c17ecf5fbe24e259a1",
  ),
  // Distil-Whisper: fewer layers in the decoder, English only.
  weights(
    "distil-small.en",
    336_191_657,
    "7691eb11167ab7aaf6b3e05d8266f2fd9ad89c550e433f86ac266ebdee6c970a",
    { repository: "distil-whisper/distil-small.en" },
  ),
  weights(
    "distil-medium.en",
    794_018_180,
    "ad53ccb618188b210550e98cc32bf5a13188d86635e395bb11115ed275d6e7aa",
    { repository: "distil-whisper/distil-medium.en", published: "ggml-medium-32-2.en.bin" },
  ),
  weights(
    "distil-large-v2",
    1_519_111_363,
    "2ed2bbe6c4138b3757f292b0622981bdb3d02bcac57f77095670dac85fab3cd6",
    { repository: "distil-whisper/distil-large-v2", published: "ggml-large-32-2.en.bin" },
  ),
  weights(
    "distil-large-v3",
    1_519_521_155,
    "2883a11b90fb10ed592d826edeaee7d2929bf1ab985109fe9e1e7b4d2b69a298",
    { repository: "distil-whisper/distil-large-v3-ggml" },
  ),
  weights(
    "distil-large-v3.5",
    1_519_521_155,
    "ec2498919b498c5f6b00041adb45650124b3cd9f26f545fffa8f5d11c28dcf26",
    { repository: "distil-whisper/distil-large-v3.5-ggml", published: "ggml-model.bin" },
  ),
  // Tinydiarize: tells where the speaker changes.
  weights("small.en-tdrz", 487_614_184, "ceac3ec06d1d98ef71aec665283564631055fd6129b79d8e1be4f9cc33cc54b4", {
    repository: "akashmjn/tinydiarize-whisper.cpp",
  }),
];

const vad = { repository: "ggml-org/whisper-vad" };

export const vadModels: readonly Weights[] = [
  weights("silero-v5.1.2", 885_098, "29940d98d42b91fbd05ce489f3ecf7c72f0a42f027e4875919a28fb4c04ea2cf", vad),
  weights("silero-v6.2.0", 885_098, "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987", vad),
];
