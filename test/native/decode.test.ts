/** Recordings that are what they say: every container and encoding gives the right samples. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Model, native } from "../../src/native.ts";
import { wav, wavEncodings } from "../fixtures/encodings.ts";
import { moreRecordings, needsMoreRecordings, recording, recordings } from "../fixtures/index.ts";
import { decode, decodeFixture, decodeOptions, openModel, rejection, textOf, transcribe } from "./harness.ts";

setDefaultTimeout(60_000);

let model: Model;
beforeAll(async () => {
  model = await openModel();
});
afterAll(() => model.close());

/** Lossy encoders pad: AAC by a frame at either end. */
const toleranceMs = 60;

describe("every recording", () => {
  test.each(recordings.map(({ name }) => name))(
    "%s is mixed down to one channel of its duration",
    async (name) => {
      const pcm = await decodeFixture(name);
      const { duration } = recording(name);
      expect(pcm.channels).toBe(1);
      expect(Math.abs(pcm.durationMs - duration * 1000)).toBeLessThan(toleranceMs);
      expect(pcm.samples).toBeWithin(pcm.durationMs * 16, (pcm.durationMs + 1) * 16);
    },
  );

  test.skipIf(moreRecordings === null)(`of the whole set too (${needsMoreRecordings})`, async () => {
    for (const { path, duration } of moreRecordings ?? []) {
      const pcm = await decode(path);
      expect(Math.abs(pcm.durationMs - duration * 1000)).toBeLessThan(toleranceMs);
    }
  });

  test.each([
    ["en-segments.wav", "pcm_s16le"],
    ["en-segments.mp3", "mp3"],
    ["en-segments.flac", "flac"],
    ["en-segments.m4a", "aac"],
    ["en-segments.mp4", "aac"],
    ["en-segments.vorbis.ogg", "vorbis"],
    ["en-segments.opus.ogg", "opus"],
    ["en-segments.webm", "opus"],
  ])("%s is found to be %s from its bytes alone, under any name", async (name, format) => {
    const bytes = await Bun.file(recording(name).path).bytes();
    const pcm = await decode(bytes);
    expect(pcm.format).toBe(format);
    expect(textOf(await transcribe(model, pcm))).toBe(recording(name).model_output.transcribe);
  });
});

describe("wav made with wavefile", async () => {
  const encoded = await wavEncodings("en-digits.wav");
  test.each(encoded.map(({ name, bytes }) => [name, bytes] as const))(
    "%s says the same",
    async (_, bytes) => {
      const pcm = await decode(bytes);
      expect(Math.abs(pcm.durationMs - 2746)).toBeLessThan(toleranceMs);
      expect(textOf(await transcribe(model, pcm))).toBe("One two three four five.");
    },
  );
});

describe("channels", () => {
  test("that say different things stay apart when asked for", async () => {
    const pcm = await decodeFixture("en-two-speakers.wav", { splitChannels: true });
    expect(pcm.channels).toBe(2);
    expect(pcm.durationMs).toBe(10_470);
  });

  test("are mixed when more than may be kept apart", async () => {
    const pcm = await decodeFixture("en-two-speakers.wav", { splitChannels: true, maxChannels: 1 });
    expect(pcm.channels).toBe(1);
    expect(textOf(await transcribe(model, pcm))).toBe(
      recording("en-two-speakers.wav").model_output.transcribe,
    );
  });

  test("that say the same are one", async () => {
    const pcm = await decodeFixture("en-48k-stereo.wav", { splitChannels: true });
    expect(pcm.channels).toBe(1);
  });
});

describe("length", () => {
  test("of 100 ms is the shortest that is taken", async () => {
    const pcm = await decode(wav(new Int16Array(1600).fill(100)));
    expect(pcm).toMatchObject({ samples: 1600, durationMs: 100 });
    const events = await transcribe(model, pcm);
    expect(events.at(-1)).toMatchObject({ type: "done" });
  });

  test.each([0, 1, 800, 1584])("of %i samples is audio_too_short", async (samples) => {
    const error = await rejection(decode(wav(new Int16Array(samples).fill(100))));
    expect(error.code).toBe("audio_too_short");
    expect(error.message).toBe(
      `Expected a recording of at least 100 ms but received one of ${Math.floor(samples / 16)} ms`,
    );
  });

  test.each(["en-digits.wav", "en-segments.mp3", "en-segments.webm", "en-segments.flac", "en-segments.m4a"])(
    "of %s beyond maxDurationMs is audio_too_long",
    async (name) => {
      const error = await rejection(decodeFixture(name, { maxDurationMs: 2000 }));
      expect(error.code).toBe("audio_too_long");
      expect(error.message).toBe("The recording is longer than 2.0 s, the limit of this server");
    },
  );

  test("of exactly maxDurationMs is taken", async () => {
    const pcm = await decode(wav(new Int16Array(32_000).fill(100)), { maxDurationMs: 2000 });
    expect(pcm.durationMs).toBe(2000);
  });
});

describe("cancel()", () => {
  test("during a decoding rejects with cancelled, and not before it must", async () => {
    const job = native.decode(recording("en-long-95s.mp3").path, decodeOptions);
    job.cancel();
    job.cancel();
    expect(await rejection(job)).toMatchObject({ code: "cancelled", message: "Decoding was cancelled" });
  });

  test("after a decoding changes nothing", async () => {
    const job = native.decode(recording("en-digits.wav").path, decodeOptions);
    const pcm = await job.result;
    job.cancel();
    expect(pcm.samples).toBe(43_933);
  });
});
