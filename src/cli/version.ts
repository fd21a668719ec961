/** `whisper-api --version`: this program, and what it was built with. */
import { version } from "../../package.json";

/** Lines for people; the first is the name and the version alone. */
export async function versionText(): Promise<string> {
  const head = `whisper-api ${version}`;
  try {
    const { native } = await import("../native.ts");
    native.setLog(null);
    const { version: whisper, ffmpeg, kernels, devices, system } = native.info();
    // whisper.cpp's line: "... | CPU : SSE3 = 1 | AVX = 1 | ..."
    const features = [...system.matchAll(/(\w+) = 1\b/g)].map(([, name]) => name).join(" ");
    const decoders = ffmpeg ? `FFmpeg, libavformat ${ffmpeg}` : "built in: wav, mp3, flac, ogg-vorbis";
    const rows = [
      ["whisper.cpp", whisper],
      ["decoders", decoders],
      ...devices.map(({ type, description }) => [type, description]),
      ["kernels", kernels],
      ["features", features],
      ["bun", Bun.version],
    ];
    return [head, ...rows.map(([name = "", value]) => `  ${name.padEnd(12)} ${value}`)].join("\n");
  } catch (error) {
    return `${head}\n  The addon cannot be loaded: see whisper-api doctor. ${(error as Error).message}`;
  }
}
