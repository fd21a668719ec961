/** What every engine keeps to: the one over the addon, and the one that the tests of HTTP use in its place. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { AppError } from "../../src/core/errors.ts";
import { defaultOptions, type Options, type Priority } from "../../src/core/options.ts";
import { collect } from "../../src/core/transcript.ts";
import type { Engine, EngineRequest } from "../../src/engine/engine.ts";
import { recording } from "../fixtures/index.ts";
import { refusal } from "../helpers/refusal.ts";

export interface Wanted {
  readonly name?: string;
  readonly path?: string;
  readonly options?: Partial<Options>;
  readonly priority?: Priority;
  readonly signal?: AbortSignal;
}

/** A request for a fixture in English; one beam is enough here. */
export function request({
  name = "en-digits.wav",
  path,
  options,
  priority = "request",
  signal,
}: Wanted = {}): EngineRequest {
  return {
    path: path ?? recording(name).path,
    options: { ...defaultOptions, language: "en", beamSize: 1, ...options },
    priority,
    signal: signal ?? new AbortController().signal,
    requestId: "req_test",
  };
}

/** For any engine that understands the fixtures or does not listen to them at all. */
export function engineContract(name: string, open: () => Promise<Engine>): void {
  describe(`${name}, like every engine,`, () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await open();
    });
    afterAll(() => engine.close(0));

    test("tells of its model", async () => {
      const { id, languages, bytes, createdSeconds, digest } = engine.model;
      expect(await digest).toMatch(/^[0-9a-f]{64}$/);
      expect(id).not.toBe("");
      expect(languages).toContain("en");
      expect(bytes).toBeGreaterThan(0);
      expect(Number.isInteger(createdSeconds)).toBe(true);
    });

    test("says start first, then segments and progress, then done", async () => {
      const events = await Array.fromAsync(await engine.transcribe(request()));
      expect(events[0]).toMatchObject({ type: "start", channels: 1 });
      expect(events.at(-1)).toEqual({ type: "done", language: "en" });
      const middle = events.slice(1, -1).map(({ type }) => type);
      expect(middle).toContain("segment");
      const known = new Set(["attempt", "token", "segment", "progress"]);
      expect(new Set(middle).difference(known)).toEqual(new Set());
    });

    test("gives a transcript with segments in order", async () => {
      const { segments, text, durationMs, channels } = await collect(await engine.transcribe(request()));
      expect(text).not.toBe("");
      expect(durationMs).toBeGreaterThan(0);
      expect(channels).toBe(1);
      expect(segments.map(({ id }) => id)).toEqual(segments.map((_, index) => index));
    });

    test("refuses a request whose signal has fired", async () => {
      const { code } = await refusal(engine.transcribe(request({ signal: AbortSignal.abort() })));
      expect(code).toBe("request_cancelled");
    });

    test("ends a transcript with request_cancelled when the signal fires", async () => {
      const controller = new AbortController();
      const events = await engine.transcribe(request({ name: "en-long-95s.mp3", signal: controller.signal }));
      const reading = (async () => {
        for await (const _ of events) controller.abort();
      })();
      expect((await refusal(reading)).code).toBe("request_cancelled");
    });

    describe("charges for audio:", () => {
      /** Says what it was asked, in order; refunds as negative numbers. */
      const ledger = (refuses = false) => {
        const charged: number[] = [];
        return {
          charged,
          hooks: {
            admit: async (ms: number) => {
              if (refuses) throw new AppError("rate_limit_exceeded", "used up");
              charged.push(ms);
            },
            refund: (ms: number) => void charged.push(-ms),
          },
        };
      };

      test("the length of a recording, once", async () => {
        const { charged, hooks } = ledger();
        const { durationMs } = await collect(await engine.transcribe({ ...request(), ...hooks }));
        expect(charged).toEqual([durationMs]);
      });

      test("a refusal is the request's, and the next one finds its place", async () => {
        const { hooks } = ledger(true);
        const { running } = engine.status();
        const { code } = await refusal(engine.transcribe({ ...request(), ...hooks }));
        expect(code).toBe("rate_limit_exceeded");
        expect(engine.status().running).toBe(running);
        expect((await collect(await engine.transcribe(request()))).text).not.toBe("");
      });

      test("a run that is cancelled before it says anything costs nothing", async () => {
        const { charged, hooks } = ledger();
        const controller = new AbortController();
        const admit = async (ms: number) => {
          await hooks.admit(ms);
          controller.abort();
        };
        const wanted = { ...request({ signal: controller.signal }), ...hooks, admit };
        const { code } = await refusal(engine.transcribe(wanted).then((events) => collect(events)));
        expect(code).toBe("request_cancelled");
        expect(charged).toEqual([charged[0] ?? 0, -(charged[0] ?? 0)]);
      });

      test("a run that was cancelled after it has said something costs all of it", async () => {
        const { charged, hooks } = ledger();
        const controller = new AbortController();
        const wanted = { ...request({ name: "en-long-95s.mp3", signal: controller.signal }), ...hooks };
        const events = await engine.transcribe(wanted);
        const reading = (async () => {
          for await (const { type } of events) if (type === "segment") controller.abort();
        })();
        expect((await refusal(reading)).code).toBe("request_cancelled");
        expect(charged).toHaveLength(1);
      });

      test("a request that is refused before costs nothing", async () => {
        const { charged, hooks } = ledger();
        await refusal(engine.transcribe({ ...request({ signal: AbortSignal.abort() }), ...hooks }));
        expect(charged).toEqual([]);
      });
    });

    test("lets a reader leave early, and serves the next", async () => {
      for await (const _ of await engine.transcribe(request())) break;
      const { text } = await collect(await engine.transcribe(request()));
      expect(text).not.toBe("");
    });

    describe("listens to audio that still comes:", () => {
      const options = { ...request().options };
      const listen = (maxBufferedMs = 10_000) =>
        engine.listen({ rate: 16_000, maxBufferedMs, onFrames: () => {} });
      const samples = async () => (await Bun.file(recording("en-digits.wav").path).bytes()).subarray(44);
      const part = (more: object = {}) => ({
        ...{ fromMs: 0, toMs: 2700, options, signal: new AbortController().signal, requestId: "sess_test" },
        ...more,
      });

      test("a part of it is transcribed, and its times count from the part", async () => {
        const live = listen();
        for (const bytes of [(await samples()).subarray(0, 40_001), (await samples()).subarray(40_001)])
          live.append(bytes);
        expect(Math.floor(live.appendedMs)).toBe(2745);
        const { text, durationMs, segments } = await collect(await live.transcribe(part({ fromMs: 200 })));
        expect(text).not.toBe("");
        expect(Math.abs(durationMs - 2500)).toBeLessThan(5);
        expect(segments.every(({ startMs, endMs }) => startMs >= 0 && startMs <= endMs)).toBe(true);
        live.close();
      });

      test("more than is to be kept is refused, until some is forgotten", async () => {
        const live = listen(3000);
        live.append(await samples());
        expect(() => live.append(new Uint8Array(32_000))).toThrow("Too much audio");
        const other = listen(3000);
        other.append(await samples());
        other.forget(2000);
        // by now it is done: calls take effect in their order, on a thread of its own
        await collect(await other.transcribe(part({ fromMs: 2000 })));
        other.append(new Uint8Array(32_000));
        for (const each of [live, other]) each.close();
      });

      test("a signal that fires ends its transcript", async () => {
        const live = listen();
        live.append(await samples());
        const { code } = await refusal(
          live.transcribe(part({ signal: AbortSignal.abort() })).then((events) => collect(events)),
        );
        expect(code).toBe("request_cancelled");
        live.close();
        live.close();
      });
    });

    test("closes any number of times", async () => {
      const other = await open();
      await other.close(1000);
      await other.close(0);
    });
  });
}
