/** The contract on both engines, and what the one over the addon does beyond it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { AppError } from "../../src/core/errors.ts";
import type { Priority } from "../../src/core/options.ts";
import { collect, type TranscriptEvent } from "../../src/core/transcript.ts";
import { Admission } from "../../src/engine/admission.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { SampleMemory } from "../../src/engine/sample-memory.ts";
import { openWhisperEngine } from "../../src/engine/whisper.ts";
import type { Logger } from "../../src/log.ts";
import { Metrics } from "../../src/metrics.ts";
import { digestOf } from "../../src/models/digest.ts";
import { native } from "../../src/native.ts";
import { wav } from "../fixtures/encodings.ts";
import { demoModel, needsVadModel, recording, vadModel } from "../fixtures/index.ts";
import { makeSilentVideo } from "../fixtures/video.ts";
import { FakeEngine } from "../helpers/engine.ts";
import { folderForAllTests } from "../helpers/folder-hooks.ts";
import { refusal } from "../helpers/refusal.ts";
import { engineContract, request, type Wanted } from "./engine.ts";

setDefaultTimeout(60_000);

/** Looks again until no work is left; the test's own time limit ends it. */
async function idle(engine: Engine): Promise<void> {
  while (engine.status().running + engine.status().queued > 0) await Bun.sleep(5);
}

interface LogLine {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface Limits {
  readonly runs?: number;
  readonly queue?: number;
  readonly maxDurationMs?: number;
  readonly memoryBytes?: number;
  readonly vad?: string | null;
  readonly lines?: LogLine[];
}

const openWhisper = ({
  runs = 1,
  queue = 8,
  maxDurationMs = 3_600_000,
  memoryBytes = 2 ** 30,
  vad = vadModel,
  lines,
}: Limits = {}) => {
  const write = (message: string, fields = {}) => void lines?.push({ message, fields });
  const log: Logger = { debug: write, info: write, warn: write, error: write };
  return openWhisperEngine({
    native,
    log,
    metrics: new Metrics(),
    model: { path: demoModel, id: "demo", warning: null, digest: digestOf(demoModel) },
    vadModel: vad,
    gpu: -1,
    threads: 1,
    slots: 4,
    slotsBytes: 0,
    admission: new Admission({ maxRuns: runs, maxQueue: queue }),
    memory: new SampleMemory(memoryBytes),
    maxDurationMs,
  });
};

engineContract("the engine over the addon", openWhisper);
engineContract("the engine of the tests", async () => new FakeEngine());

describe("the engine over the addon", () => {
  let engine: Engine;
  const folder = folderForAllTests();
  const lines: LogLine[] = [];
  beforeAll(async () => {
    engine = await openWhisper({ lines });
  });
  afterAll(async () => {
    await engine.close(0);
  });

  const transcript = async (wanted?: Wanted) => collect(await engine.transcribe(request(wanted)));

  describe("refuses", () => {
    const file = async (content: Uint8Array | string) => {
      const path = join(folder.path, "upload");
      await Bun.write(path, content);
      return path;
    };
    const half = wav(new Int16Array(160_000)).subarray(0, 160_000);

    test.each([
      ["text with invalid_file_format", "no audio at all", "invalid_file_format"],
      ["half a recording with corrupt_audio", half, "corrupt_audio"],
      ["99 ms with audio_too_short", wav(new Int16Array(1584)), "audio_too_short"],
      ["no samples with audio_too_short", wav(new Int16Array(0)), "audio_too_short"],
    ])("%s, about file, before anything has begun", async (_, content, code) => {
      const path = await file(content);
      const error = await refusal(engine.transcribe(request({ path })));
      expect(error).toMatchObject({ code, param: "file", status: 400 });
      expect(error.message).not.toContain(folder.path);
      expect(engine.status()).toMatchObject({ running: 0, queued: 0 });
    });

    test.skipIf(Bun.which("ffmpeg") === null || native.info().ffmpeg === null)(
      "video without sound with no_audio_track (needs the ffmpeg command and a build with its libraries)",
      async () => {
        const path = join(folder.path, "silent.mp4");
        makeSilentVideo(path);
        expect(await refusal(engine.transcribe(request({ path })))).toMatchObject({
          code: "no_audio_track",
          param: "file",
        });
      },
    );

    test("what is longer than its limit with audio_too_long", async () => {
      const brief = await openWhisper({ maxDurationMs: 1000 });
      const error = await refusal(brief.transcribe(request()));
      expect(error).toMatchObject({ code: "audio_too_long", param: "file" });
      await brief.close(0);
    });

    test("voice activity detection that is not installed with model_unavailable", async () => {
      const without = await openWhisper({ vad: null });
      const error = await refusal(without.transcribe(request({ options: { vad: true } })));
      expect(error).toMatchObject({ code: "model_unavailable", param: "vad", status: 503 });
      expect(without.status().running).toBe(0);
      await without.close(0);
    });

    test("a file that is gone with internal_error, which does not tell its path", async () => {
      const error = await refusal(engine.transcribe(request({ path: join(folder.path, "gone") })));
      expect(error.code).toBe("internal_error");
      expect(error.message).toBe("The transcription failed");
    });

    test("what is too much with server_overloaded, and takes the next when there is room", async () => {
      const small = await openWhisper({ queue: 0 });
      const running = await small.transcribe(request());
      const error = await refusal(small.transcribe(request()));
      expect(error).toMatchObject({ code: "server_overloaded", status: 503 });
      expect(error.retryAfterSeconds).toBeWithin(1, 61);
      expect((await collect(running)).text).toBe("One two three four five.");
      expect((await collect(await small.transcribe(request()))).text).toBe("One two three four five.");
      await small.close(0);
    });
  });

  describe("gives the place back", () => {
    test("when the signal fires while waiting", async () => {
      const running = await engine.transcribe(request());
      const controller = new AbortController();
      const waiting = refusal(engine.transcribe(request({ signal: controller.signal })));
      expect(engine.status()).toMatchObject({ running: 1, queued: 1 });
      controller.abort();
      expect((await waiting).code).toBe("request_cancelled");
      expect(engine.status()).toMatchObject({ running: 1, queued: 0 });
      await collect(running);
      expect(engine.status().running).toBe(0);
    });

    test("when the signal fires while decoding", async () => {
      const controller = new AbortController();
      const decoding = refusal(
        engine.transcribe(request({ name: "en-long-95s.mp3", signal: controller.signal })),
      );
      expect(engine.status().running).toBe(1);
      controller.abort();
      expect((await decoding).code).toBe("request_cancelled");
      expect(engine.status().running).toBe(0);
    });

    test("when the signal fires while running, though nobody reads", async () => {
      const controller = new AbortController();
      await engine.transcribe(request({ name: "en-long-95s.mp3", signal: controller.signal }));
      expect(engine.status().running).toBe(1);
      controller.abort();
      await idle(engine);
    });

    test("when the reader leaves early, long before the recording's end", async () => {
      const from = lines.length;
      for await (const event of await engine.transcribe(request({ name: "en-long-95s.mp3" }))) {
        if (event.type === "segment") break;
      }
      await idle(engine);
      expect(lines.slice(from).findLast(({ message }) => message === "transcribed")?.fields).toMatchObject({
        failed: "request_cancelled",
      });
    });

    test("when nobody ever reads", async () => {
      await engine.transcribe(request());
      await idle(engine);
      expect((await transcript()).text).toBe("One two three four five.");
    });

    test("after a file that is no audio, a hundred times", async () => {
      const path = join(folder.path, "text");
      await Bun.write(path, "no audio");
      for (let round = 0; round < 100; round += 1) await refusal(engine.transcribe(request({ path })));
      expect(engine.status()).toMatchObject({ running: 0, queued: 0 });
    });
  });

  test("runs what waits, by priority, and logs how long it waited", async () => {
    const from = lines.length;
    const order: Priority[] = [];
    const running = await engine.transcribe(request());
    const waiting = (["batch", "request", "live"] as const).map(async (priority) => {
      const events = await engine.transcribe(request({ priority }));
      order.push(priority);
      return collect(events);
    });
    expect(engine.status().queued).toBe(3);
    await collect(running);
    const texts = (await Promise.all(waiting)).map(({ text }) => text);
    expect(order).toEqual(["live", "request", "batch"]);
    expect(new Set(texts)).toEqual(new Set(["One two three four five."]));
    const admitted = lines.slice(from).filter(({ message }) => message === "admitted");
    expect(admitted).toHaveLength(3);
    for (const { fields } of admitted) {
      expect(fields).toEqual({
        requestId: "req_test",
        waitedMs: expect.any(Number),
        position: expect.any(Number),
      });
    }
  });

  test("transcribes channels apart, as one numbered stream", async () => {
    const { segments, channels, durationMs } = await transcript({
      name: "en-two-speakers.wav",
      options: { splitChannels: true },
    });
    expect({ channels, durationMs }).toEqual({ channels: 2, durationMs: 10_470 });
    expect(segments.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4]);
    const conversation = segments.toSorted((a, b) => a.startMs - b.startMs);
    expect(conversation.map(({ channel, text }) => ({ channel, text: text.trim() }))).toEqual(
      recording("en-two-speakers.wav").segments.map(({ channel = -1, text }) => ({ channel, text })),
    );
  });

  test("tells the progress of two channels as one, up to the whole", async () => {
    const events: TranscriptEvent[] = await Array.fromAsync(
      await engine.transcribe(request({ name: "en-two-speakers.wav", options: { splitChannels: true } })),
    );
    const progress = events.flatMap((event) => (event.type === "progress" ? [event] : []));
    expect(progress.at(-1)).toEqual({ type: "progress", doneMs: 10_470, totalMs: 10_470 });
    const done = progress.map(({ doneMs }) => doneMs);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
  });

  test.skipIf(vadModel === null)(`transcribes with voice activity detection (${needsVadModel})`, async () => {
    const { text } = await transcript({ name: "en-segments.wav", options: { vad: true } });
    expect(text).toBe(recording("en-segments.wav").text);
  });

  describe("whose memory is short", () => {
    /** 20 s of one channel. */
    const memoryBytes = 20_000 * 64;

    test("decodes a recording when another has ended", async () => {
      const short = await openWhisper({ runs: 3, memoryBytes });
      const order: string[] = [];
      const wanted = { name: "en-segments.wav" };
      const first = await short.transcribe(request(wanted));
      const second = short.transcribe(request(wanted)).then((events) => {
        order.push("second begins");
        return collect(events);
      });
      const left = new AbortController();
      const third = refusal(short.transcribe(request({ ...wanted, signal: left.signal })));
      left.abort();
      expect((await third).code).toBe("request_cancelled");
      await collect(first);
      order.push("first ends");
      expect((await second).text).toBe(recording("en-segments.wav").text);
      expect(order).toEqual(["first ends", "second begins"]);
      await short.close(0);
    });

    test("says which recording can never be decoded", async () => {
      const short = await openWhisper({ memoryBytes });
      const error = await refusal(short.transcribe(request({ name: "en-long-95s.mp3" })));
      expect(error).toMatchObject({ code: "audio_too_long", status: 400, param: "file" });
      expect(error.message).toContain("20 s, for which this server has memory");
      expect(await collect(await short.transcribe(request()))).toMatchObject({ text: expect.any(String) });
      await short.close(0);
    });
  });

  test("decodes what turns out to be long in a second go, up to the limit of the server", async () => {
    const limited = await openWhisper({ maxDurationMs: 660_000 });
    const path = join(folder.path, "long.wav");
    const lengths: number[] = [];
    const admit = async (durationMs: number) => {
      lengths.push(durationMs);
      throw new AppError("rate_limit_exceeded", "Enough");
    };
    await Bun.write(path, wav(new Int16Array(16 * 650_000)));
    expect((await refusal(limited.transcribe({ ...request({ path }), admit }))).code).toBe(
      "rate_limit_exceeded",
    );
    expect(lengths).toEqual([650_000]);
    await Bun.write(path, wav(new Int16Array(16 * 670_000)));
    expect((await refusal(limited.transcribe(request({ path })))).message).toContain(
      "660 s, the limit of this server",
    );
    await limited.close(0);
  });

  describe("close()", () => {
    test("lets running work end, and refuses what waits and what comes", async () => {
      const closing = await openWhisper();
      const running = collect(await closing.transcribe(request()));
      const waiting = refusal(closing.transcribe(request()));
      const closed = closing.close(60_000);
      expect((await waiting).code).toBe("server_shutting_down");
      expect((await refusal(closing.transcribe(request()))).code).toBe("server_shutting_down");
      expect((await running).text).toBe("One two three four five.");
      await closed;
    });

    test("cancels what has not ended in time", async () => {
      const closing = await openWhisper();
      const running = refusal(collect(await closing.transcribe(request({ name: "en-long-95s.mp3" }))));
      await closing.close(1);
      expect((await running).code).toBe("server_shutting_down");
      expect(closing.status().running).toBe(0);
    });

    test("cancels what is still being decoded, or has just begun to run", async () => {
      const closing = await openWhisper();
      const transcribing = refusal(closing.transcribe(request({ name: "en-long-95s.mp3" })).then(collect));
      await closing.close(0);
      expect((await transcribing).code).toBe("server_shutting_down");
    });
  });
});
