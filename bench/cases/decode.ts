import type { Native, NativeError } from "../../src/native.ts";
import type { Case } from "../bench.ts";

const recordings = [
  ...[
    "en-segments.wav",
    "en-44k1.wav",
    "en-48k-stereo.wav",
    "en-segments.flac",
    "en-segments.mp3",
    "en-segments.m4a",
  ],
  ...[
    "en-segments.mp4",
    "en-segments.vorbis.ogg",
    "en-segments.opus.ogg",
    "en-segments.webm",
    "en-long-600s.mp3",
  ],
];

/** Through the addon in this process, without a server: file to 16 kHz mono. */
export const decode: Case = {
  name: "decode",
  about: "speed of decoding each audio format, through the addon",
  async run(bench, table) {
    if (!bench.settings.contenders.includes("whisper-api")) return;
    // Imported late: the other cases do not need the addon in this process.
    const { native } = await import("../../src/native.ts");
    for (const name of recordings) {
      for (let repetition = 0; repetition <= bench.settings.repetitions; repetition++) {
        const speed = await timesRealTime(native, bench.recording(name));
        if (speed === null) table.notes.add(`decode: this build cannot read ${name}`);
        else if (repetition > 0) table.add("decode", name, "x real time", "whisper-api", speed); // 0: file not yet cached
      }
    }
  },
};

async function timesRealTime(native: Native, path: string): Promise<number | null> {
  const started = performance.now();
  try {
    const pcm = await native.decode(path, { splitChannels: false, maxChannels: 1, maxDurationMs: 3_600_000 })
      .result;
    const speed = pcm.durationMs / (performance.now() - started);
    pcm.close();
    return speed;
  } catch (error) {
    if ((error as NativeError).code === "unsupported_format") return null;
    throw error;
  }
}
