/** Sound as it comes: by whichever program can record here. */
import { exitCodes, Failure } from "../command.ts";

/** Of what is recorded: signed 16-bit little-endian samples of one channel. */
export const sampleRate = 24_000;

export interface Program {
  readonly name: string;
  readonly command: readonly string[];
  /** What to look at when it fails. */
  readonly hint?: string;
}

const raw = ["-f", "s16le", "-ac", "1", "-ar", `${sampleRate}`, "-"];
const ffmpeg = (...input: string[]): Program => ({
  name: "ffmpeg",
  command: ["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", ...input, ...raw],
});

/** Of the microphone, the best first. `device` is named as the program names it. */
function recorders(platform: string, device: string | undefined): Program[] {
  const alsa = ["-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", `${sampleRate}`];
  const arecord = { name: "arecord", command: ["arecord", ...alsa, ...(device ? ["-D", device] : [])] };
  const sox = {
    name: "rec",
    command: ["rec", "-q", "-t", "raw", "-e", "signed", "-b", "16", "-c", "1", "-r", `${sampleRate}`, "-"],
  };
  if (platform === "darwin") return [ffmpeg("-f", "avfoundation", "-i", `:${device ?? "default"}`), sox];
  if (platform === "win32") return device ? [ffmpeg("-f", "dshow", "-i", `audio=${device}`)] : [];
  return [arecord, ffmpeg("-f", "pulse", "-i", device ?? "default"), sox];
}

const microphoneHint = " Is there a microphone? --device names one.";

/** What records here from the microphone, or reads `input` at the pace of speech. Throws Failure when no program is there. */
export function findRecorder(input: string | undefined, device: string | undefined): Program {
  const programs =
    input === undefined
      ? recorders(process.platform, device)
      : [ffmpeg("-re", "-i", input === "-" ? "pipe:0" : input)];
  const found = programs.find(({ name }) => Bun.which(name) !== null);
  if (found) return input === undefined ? { ...found, hint: microphoneHint } : found;
  const names = [...new Set(programs.map(({ name }) => name))];
  throw new Failure(
    input === undefined
      ? `Nothing here can record: install ${names.join(" or ") || "ffmpeg, and name the microphone with --device"}.`
      : "ffmpeg is needed to read --input: install it.",
    exitCodes.misuse,
  );
}

/** A program that records, from its construction on. */
export class Recorder {
  private readonly child;
  private readonly said: Promise<string>;
  private isStopped = false;

  constructor(private readonly program: Program) {
    this.child = Bun.spawn([...program.command], {
      stdin: program.command.includes("pipe:0") ? "inherit" : "ignore",
      stdout: "pipe",
      stderr: "pipe",
      // a Ctrl-C is for us: what was heard until then is still transcribed
      detached: true,
    });
    this.said = new Response(this.child.stderr).text();
  }

  /** Samples, until it is stopped or the input ends. Throws Failure when it could not record. */
  async *samples(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    for await (const chunk of this.child.stdout) {
      bytes += chunk.length;
      yield chunk;
    }
    const code = await this.child.exited;
    if (this.isStopped || (code === 0 && bytes > 0)) return;
    const lines = (await this.said).trim().split("\n");
    const { name, hint = "" } = this.program;
    throw new Failure(`${name} could not record: ${lines.at(-1) || `it ended with ${code}`}.${hint}`);
  }

  /** Idempotent. */
  stop(): void {
    this.isStopped = true;
    this.child.kill("SIGTERM");
  }
}
