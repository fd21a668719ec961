/** A client that leaves while a window is decoded for the second time: the app in this process, over the real engine. */
import { expect, setDefaultTimeout, test } from "bun:test";
import type { TranscriptEvent } from "../../src/core/transcript.ts";
import { Admission } from "../../src/engine/admission.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { SampleMemory } from "../../src/engine/sample-memory.ts";
import { openWhisperEngine } from "../../src/engine/whisper.ts";
import { Metrics } from "../../src/metrics.ts";
import { digestOf } from "../../src/models/digest.ts";
import { native } from "../../src/native.ts";
import { demoModel, recording } from "../fixtures/index.ts";
import { silentLog } from "../helpers/log.ts";
import { form, testServer } from "../helpers/server.ts";
import { eventually } from "./server.ts";

setDefaultTimeout(60_000);

/** The same engine; `seen` is told each event before its reader is. */
function watched(engine: Engine, seen: (event: TranscriptEvent) => void): Engine {
  return new Proxy(engine, {
    get(target, name) {
      if (name !== "transcribe") {
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      }
      return async (request: Parameters<Engine["transcribe"]>[0]) => {
        const events = await target.transcribe(request);
        return (async function* () {
          for await (const event of events) {
            seen(event);
            yield event;
          }
        })();
      };
    },
  });
}

test("a client that leaves a stream during a second decode frees its slot and leaves no file", async () => {
  const engine = await openWhisperEngine({
    ...{ native, log: silentLog, vadModel: null, gpu: -1, threads: 1, slots: 1, slotsBytes: 0 },
    admission: new Admission({ maxRuns: 1, maxQueue: 4 }),
    memory: new SampleMemory(2 ** 28),
    maxDurationMs: 3_600_000,
    metrics: new Metrics(),
    model: { path: demoModel, id: "demo", warning: null, digest: digestOf(demoModel) },
  });
  const again = Promise.withResolvers<void>();
  let attempts = 0;
  const seen = (event: TranscriptEvent) => {
    if (event.type !== "attempt") return;
    attempts += 1;
    if (event.number > 0) again.resolve();
  };
  await using server = await testServer({ engine: watched(engine, seen) });
  const url = `http://127.0.0.1:${server.listen()}/v1/audio/transcriptions`;
  const bytes = await Bun.file(recording("en-long-95s.mp3").path).bytes();
  const gone = new AbortController();
  // No text has a mean log-probability of 0: every attempt fails, up to the last.
  const hopeless = { stream: "true", language: "en", logprob_threshold: "0", best_of: "8" };
  const response = await fetch(url, { ...form(hopeless, bytes), signal: gone.signal });
  await again.promise;
  gone.abort();
  await expect(response.text()).rejects.toThrow();

  await eventually(
    async () => engine.status(),
    ({ running, queued }) => running + queued === 0,
  );
  // Four windows of six attempts each would have come.
  expect(attempts).toBeLessThan(12);
  // The only slot is free: the next one is answered, and by an engine that says what it always says.
  const file = recording("en-digits.wav");
  const next = await fetch(url, form({ language: "en" }, await Bun.file(file.path).bytes()));
  expect(((await next.json()) as { text: string }).text).toBe(file.text);
  await engine.close(0);
});
