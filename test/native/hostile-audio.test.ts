/** Files that are not what they say. Each gives one of the codes of src/native.ts and a sentence; none opens anything else. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type NativeErrorCode, native } from "../../src/native.ts";
import { wav } from "../fixtures/encodings.ts";
import { recording } from "../fixtures/index.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { decode, decodeFixture, openModel, rejection, start } from "./harness.ts";

setDefaultTimeout(60_000);

const ffmpeg = Bun.which("ffmpeg");
const speech = await Bun.file(recording("en-digits.wav").path).bytes();

const folder = folderForAllTests();

/** Decodes as a file, which is how the server does it, and as bytes; both must say the same. */
async function refusal(content: Uint8Array | string): Promise<{ code: NativeErrorCode; message: string }> {
  const path = join(folder.path, "upload");
  await Bun.write(path, content);
  const asFile = await rejection(decode(path));
  const asBytes = await rejection(decode(await Bun.file(path).bytes()));
  expect(asBytes).toMatchObject({ code: asFile.code, message: asFile.message });
  expect(asFile.message).not.toContain(folder.path);
  expect(asFile.message.length).toBeGreaterThan(10);
  return asFile;
}

/** The fixture with one number of its 44 bytes of header changed. */
function withHeader(offset: number, bytes: 2 | 4, value: number): Uint8Array {
  const copy = speech.slice();
  const view = new DataView(copy.buffer);
  if (bytes === 2) view.setUint16(offset, value, true);
  else view.setUint32(offset, value, true);
  return copy;
}

/** Like Math.random, but the same every time. */
function noise(length: number): Uint8Array {
  let state = 12_345;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
}

describe("what is no recording is unsupported_format", () => {
  test.each([
    ["nothing", ""],
    ["one byte", "R"],
    ["text", "This is not audio. ".repeat(500)],
    ["JSON", JSON.stringify({ audio: "none" })],
    ["HTML", "<!doctype html><html><body><audio src='file:///etc/hosts'></audio></body></html>"],
    ["zeros", new Uint8Array(50_000)],
    ["a PNG picture", Buffer.from("89504e470d0a1a0a0000000d49484452", "hex")],
    ["a zip file", Buffer.concat([Buffer.from("PK\x03\x04"), noise(5000)])],
    ["the first 4 bytes of a wav", speech.subarray(0, 4)],
    ["the first 12 bytes of a wav", speech.subarray(0, 12)],
    ["the weights of a model", Buffer.from("lmgg".repeat(5000))],
    ["a script of the shell", "#!/bin/sh\nexit 0\n"],
  ])("%s", async (_, content) => {
    expect((await refusal(content)).code).toBe("unsupported_format");
  });

  test.each([100, 5000, 300_000])("%i random bytes", async (length) => {
    expect(["unsupported_format", "corrupt_audio", "no_audio"]).toContain(
      (await refusal(noise(length))).code,
    );
  });
});

describe("what names other files is refused and opens none of them", () => {
  const target = recording("en-digits.wav").path;
  test.each([
    ["an m3u8 playlist", `#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.7,\n${target}\n#EXT-X-ENDLIST\n`],
    ["an m3u playlist", `#EXTM3U\n#EXTINF:3,digits\nfile://${target}\n`],
    ["an ffconcat script", `ffconcat version 1.0\nfile '${target}'\n`],
    ["a pls playlist", `[playlist]\nFile1=${target}\nNumberOfEntries=1\n`],
    [
      "an SDP session",
      "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
    [
      "a DASH manifest",
      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><BaseURL>file://${target}</BaseURL></AdaptationSet></Period></MPD>`,
    ],
    ["a SMIL file", `<smil><body><audio src="file://${target}"/></body></smil>`],
    ["an image sequence", `${target}%03d.png`],
  ])("%s", async (_, content) => {
    expect((await refusal(content)).code).toBe("unsupported_format");
  });

  test.each([
    "http://127.0.0.1:1/a.wav",
    "concat:a.wav|b.wav",
    "file:test/fixtures/en-digits.wav",
    "pipe:0",
    "data:audio/wav;base64,UklGRg==",
  ])("the path %p is a name of a file, not a protocol", async (path) => {
    expect((await rejection(decode(path))).code).toBe("io");
  });

  test.each(["/dev/zero", "/proc/self/environ", "test/fixtures", "", "a\0b"])(
    "the path %p is no recording",
    async (path) => {
      expect(["io", "unsupported_format"]).toContain((await rejection(decode(path))).code);
    },
  );
});

describe("a header that lies", () => {
  test.each([
    ["a sample rate of 0", withHeader(24, 4, 0)],
    ["a sample rate of 4 GHz", withHeader(24, 4, 0xffff_ffff)],
    ["no channels", withHeader(22, 2, 0)],
    ["65535 channels", withHeader(22, 2, 65_535)],
    ["0 bits per sample", withHeader(34, 2, 0)],
    ["an unknown codec", withHeader(20, 2, 0x7abc)],
  ])("with %s is refused", async (_, bytes) => {
    expect(["unsupported_format", "corrupt_audio", "no_audio"]).toContain((await refusal(bytes)).code);
  });

  test.each([
    ["larger than the file", 0x3fff_fff0],
    ["100 bytes larger than an hour", 16_000 * 2 * 3600 + 100],
  ])("with a data size %s is corrupt_audio, and reserves no such memory", async (_, size) => {
    const before = process.memoryUsage.rss();
    expect((await refusal(withHeader(40, 4, size))).code).toBe("corrupt_audio");
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
  });

  test.each([
    ["a streamed wav, whose sizes are unknown", 0xffff_ffff],
    ["a wav of sox into a pipe", 0x7fff_ffff - 36],
    ["a wav whose recorder never came back to the header", 0],
  ])("is forgiven for %s", async (_, size) => {
    const bytes = withHeader(40, 4, size);
    new DataView(bytes.buffer).setUint32(4, size, true);
    const pcm = await decode(bytes);
    expect(pcm.samples).toBe(43_933);
  });
});

describe("a file that breaks off", () => {
  const names = ["en-segments.wav", "en-segments.mp3", "en-segments.m4a", "en-segments.flac"];
  const cases = names.flatMap((name) => [1, 10, 50, 80, 99].map((percent) => [name, percent] as const));

  test.each(cases)("%s after %i % is refused, or gives what is there", async (name, percent) => {
    const whole = await Bun.file(recording(name).path).bytes();
    const part = whole.subarray(0, Math.floor((whole.length * percent) / 100));
    try {
      const { durationMs } = await decode(part);
      expect(durationMs).toBeLessThanOrEqual(10_300);
      expect(durationMs).toBeGreaterThan(percent >= 99 ? 9500 : 0);
    } catch (error) {
      expect(["corrupt_audio", "unsupported_format", "no_audio", "audio_too_short"]).toContain(
        (error as { code: string }).code,
      );
    }
  });

  test.each(["en-segments.wav", "en-segments.m4a", "en-segments.flac", "en-segments.webm"])(
    "%s in the middle is corrupt_audio or unsupported_format, never half a transcript",
    async (name) => {
      const whole = await Bun.file(recording(name).path).bytes();
      const { code, message } = await refusal(whole.subarray(0, whole.length >> 1));
      expect(["corrupt_audio", "unsupported_format"]).toContain(code);
      if (code === "corrupt_audio") {
        expect(message).toMatch(/breaks off after \d+\.\d s of the 10\.\d s|damaged or incomplete/);
      }
    },
  );
});

test.each(["en-segments.mp3", "en-segments.flac", "en-segments.opus.ogg", "en-segments.m4a"])(
  "%s with garbage in its middle ends with an answer",
  async (name) => {
    const bytes = await Bun.file(recording(name).path).bytes();
    bytes.set(noise(Math.min(8000, bytes.length >> 2)), bytes.length >> 1);
    try {
      expect((await decode(bytes)).durationMs).toBeGreaterThan(0);
    } catch (error) {
      expect((error as { code: string }).code).toBe("corrupt_audio");
    }
  },
);

describe.skipIf(ffmpeg === null || native.info().ffmpeg === null)(
  "video (needs the ffmpeg command and a build with its libraries)",
  () => {
    const make = async (name: string, ...args: string[]) => {
      const path = join(folder.path, name);
      const { exitCode, stderr } = Bun.spawnSync([ffmpeg ?? "", "-loglevel", "error", "-y", ...args, path]);
      if (exitCode !== 0) throw new Error(`ffmpeg: ${stderr}`);
      return path;
    };
    const picture = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=5:duration=1"];

    test.each(["silent.mp4", "silent.webm", "silent.mkv"])("without audio (%s) is no_audio", async (name) => {
      const path = await make(name, ...picture, "-an");
      expect((await refusal(await Bun.file(path).bytes())).code).toBe("no_audio");
    });

    test("with audio gives its audio", async () => {
      const path = await make(
        "talking.mkv",
        ...picture,
        "-i",
        recording("en-digits.wav").path,
        "-c:a",
        "aac",
      );
      expect(Math.abs((await decode(path)).durationMs - 2746)).toBeLessThan(100);
    });

    test("an mp4 that refers to a file outside of itself does not open it", async () => {
      const path = await make("referring.mov", "-i", recording("en-digits.wav").path, "-c:a", "pcm_s16le");
      const bytes = await Bun.file(path).bytes();
      // dref entry 'url ' with flag 1 (data in this file) becomes one that names another file
      const at = Buffer.from(bytes).indexOf("dref");
      expect(at).toBeGreaterThan(0);
      const entry = at + 12;
      const known = Buffer.from(bytes.subarray(entry + 4, entry + 8)).toString("latin1");
      expect(["url ", "alis"]).toContain(known);
      bytes[entry + 11] = 0;
      const answer = await decode(bytes).then(
        ({ durationMs }) => durationMs,
        ({ code }) => code,
      );
      expect([2746, 2745, "corrupt_audio", "unsupported_format", "no_audio"]).toContain(answer);
    });
  },
);

test("samples that are no numbers count as silence", async () => {
  const { WaveFile } = await import("wavefile");
  const wave = new WaveFile();
  const samples = new Float32Array(16_000).map(
    (_, index) => [Number.NaN, Infinity, -Infinity, 1e38][index % 4] ?? 0,
  );
  wave.fromScratch(1, 16_000, "32f", samples);
  const pcm = await decode(new Uint8Array(wave.toBuffer()));
  expect(pcm.durationMs).toBe(1000);
  const model = await openModel();
  const events = await start(model, pcm).ended;
  expect(events.at(-1)).toMatchObject({ type: "done" });
  expect(events.filter(({ type }) => type === "segment")).toEqual([]);
  await model.close();
});

test("a thousand small refusals leave no file open", async () => {
  const path = join(folder.path, "text");
  await Bun.write(path, "no audio");
  const open = () => [...new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })].length;
  await rejection(decode(path));
  const before = process.platform === "linux" ? open() : 0;
  for (let round = 0; round < 100; round += 1) {
    await Promise.all(Array.from({ length: 10 }, () => rejection(decode(path))));
  }
  if (process.platform === "linux") expect(open()).toBeLessThan(before + 20);
  expect((await decode(wav(new Int16Array(1600)))).samples).toBe(1600);
});

test("many decodings at a time each give their own samples", async () => {
  const names = ["en-digits.wav", "en-segments.mp3", "en-segments.m4a", "zh-segments.wav"];
  const all = await Promise.all(Array.from({ length: 32 }, (_, i) => decodeFixture(names[i % 4] ?? "")));
  for (const [index, pcm] of all.entries()) {
    const { duration } = recording(names[index % 4] ?? "");
    expect(Math.abs(pcm.durationMs - duration * 1000)).toBeLessThan(60);
  }
});
