/** `whisper-api --version`: this program, and what it was built with. */
import { version } from "../../package.json";

/** Lines for people; the first is the name and the version alone. */
export async function versionText(): Promise<string> {
  const lines = [`whisper-api ${version}`];
  try {
    const { native } = await import("../native.ts");
    native.setLog(null);
    const info = native.info();
    lines.push(
      `whisper.cpp  ${info.version}`,
      `FFmpeg       ${info.ffmpeg ?? "not built in: wav, mp3, flac and ogg-vorbis only"}`,
      ...info.devices.map(({ type, name, description, memoryBytes }) => {
        const memory = memoryBytes > 0 ? `, ${Math.round(memoryBytes / 2 ** 30)} GiB` : "";
        return `${type.padEnd(12)} ${name}: ${description}${memory}`;
      }),
      `features     ${info.system}`,
    );
  } catch (error) {
    lines.push(`addon        cannot be loaded: ${(error as Error).message} (see whisper-api doctor)`);
  }
  return lines.join("\n");
}
