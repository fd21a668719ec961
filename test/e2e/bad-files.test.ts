/** Files that are no recordings, or broken ones: each a clear refusal about `file`, and the server goes on. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { native } from "../../src/native.ts";
import { wav } from "../fixtures/encodings.ts";
import { recording } from "../fixtures/index.ts";
import { makeSilentVideo } from "../fixtures/video.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import {
  bytesOf,
  type Content,
  expectRefusal,
  invalid,
  itGoesOn,
  maxFileSize,
  post,
  type Refusal,
  speech,
  startStrictServer,
} from "./refusals.ts";
import type { Server } from "./server.ts";

setDefaultTimeout(60_000);

let server: Server;
const folder = folderForAllTests();

beforeAll(async () => {
  server = await startStrictServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const aboutFile = (code: string, message: string | RegExp): Refusal => ({
  status: 400,
  code,
  param: "file",
  message,
});
const notAudio = aboutFile(
  "invalid_file_format",
  /^Invalid file format\. Supported formats: \["flac",.*"webm"\]/,
);

function lyingHeader(offset: number, value: number): Uint8Array<ArrayBuffer> {
  const copy = speech.slice();
  new DataView(copy.buffer).setUint32(offset, value, true);
  return copy;
}

const half = async (name: string) => {
  const bytes = await bytesOf(name);
  return bytes.slice(0, bytes.length >> 1);
};

describe("a file", () => {
  test.each([
    [
      "that is missing",
      () => ({ model: "whisper-1" }),
      {
        status: 400,
        code: "missing_required_parameter",
        param: "file",
        message: "Expected an audio file for file but received none",
      },
    ],
    [
      "that is empty",
      () => ({ file: new Blob([]) }),
      invalid("file", "Expected an audio file for file but received an empty one"),
    ],
    ["of text", () => ({ file: new Blob(["This is no audio. ".repeat(100)]) }), notAudio],
    ["of one byte", () => ({ file: new Blob(["R"]) }), notAudio],
    [
      "that is a playlist",
      () => ({
        file: new Blob([`#EXTM3U\n#EXTINF:3,\n${recording("en-digits.wav").path}\n#EXT-X-ENDLIST\n`]),
      }),
      notAudio,
    ],
    [
      "that is a script naming a file of the server",
      () => ({ file: new Blob([`ffconcat version 1.0\nfile '${recording("en-digits.wav").path}'\n`]) }),
      notAudio,
    ],
    [
      "that is half a wav",
      async () => ({ file: await half("en-digits.wav") }),
      aboutFile(
        "corrupt_audio",
        /^The recording breaks off after \d\.\d s of the 2\.7 s that its header declares$/,
      ),
    ],
    [
      "that is half an m4a",
      async () => ({ file: await half("en-segments.m4a") }),
      aboutFile("corrupt_audio", /damaged|breaks off/),
    ],
    [
      "with a header that promises an hour",
      () => ({ file: lyingHeader(40, 32_000 * 3600) }),
      aboutFile("corrupt_audio", /^The recording breaks off after 2\.7 s of the 3600\.0 s/),
    ],
    [
      "with a sample rate of 0",
      () => ({ file: lyingHeader(24, 0) }),
      aboutFile(native.info().ffmpeg ? "corrupt_audio" : "unsupported_media_type", /damaged|sample rate/),
    ],
    [
      "of no samples",
      () => ({ file: wav(new Int16Array(0)) }),
      aboutFile("audio_too_short", "Expected a recording of at least 100 ms but received one of 0 ms"),
    ],
    [
      "of 99 ms",
      () => ({ file: wav(new Int16Array(1584)) }),
      aboutFile("audio_too_short", "Expected a recording of at least 100 ms but received one of 99 ms"),
    ],
    [
      "that is too long",
      async () => ({ file: await bytesOf("en-long-95s.mp3") }),
      aboutFile("audio_too_long", "The recording is longer than 60 s, the limit of this server"),
    ],
    [
      "sent as text",
      () => ({ file: "speech.wav" }),
      invalid("file", "Expected a file part for file but received a text field"),
    ],
    [
      "that comes twice",
      () => ({ file: [speech, speech] }),
      invalid("file", "Expected one file for file but received several"),
    ],
    [
      "that is too large",
      () => ({ file: new Blob([new Uint8Array(maxFileSize + 1)]) }),
      {
        status: 413,
        code: "request_too_large",
        param: "file",
        message: `Expected at most ${maxFileSize} bytes for file but received more`,
      },
    ],
  ] as [string, () => Record<string, Content> | Promise<Record<string, Content>>, Refusal][])(
    "%s is refused",
    async (_, parts, expected) => {
      expectRefusal(await post(server, await parts()), expected);
    },
  );

  test("that breaks off as mp3 is refused, or transcribed as far as it goes", async () => {
    const answer = await post(server, { file: await half("en-segments.mp3"), language: "en" });
    if (answer.status === 200)
      expect(recording("en-segments.mp3").text).toStartWith(answer.body.text?.slice(0, 15) ?? "-");
    else expectRefusal(answer, aboutFile("corrupt_audio", /breaks off|damaged/));
  });

  test.skipIf(Bun.which("ffmpeg") === null || native.info().ffmpeg === null)(
    "of video without sound is refused (needs the ffmpeg command and a build with its libraries)",
    async () => {
      const path = join(folder.path, "silent.mp4");
      makeSilentVideo(path);
      const answer = await post(server, { file: await Bun.file(path).bytes() });
      expectRefusal(answer, aboutFile("no_audio_track", /audio/));
    },
  );
});

itGoesOn(() => server);
