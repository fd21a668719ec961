import { describe, expect, test } from "bun:test";
import { AppError } from "../../../src/core/errors.ts";
import { logprobsKey } from "../../../src/live/config.ts";
import { SharedAudio } from "../../../src/live/shared-audio.ts";
import { TestSession } from "../../helpers/live.ts";

const manual = { turn_detection: null };
const quickly = { model: "whisper-1", language: null, prompt: null, delay: "low" } as const;
const committed = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"];

describe("a session", () => {
  test("says first what it is", () => {
    const { sent, session, clock } = new TestSession();
    expect(sent).toEqual([
      {
        type: "session.created",
        event_id: expect.stringMatching(/^event_/),
        session: {
          type: "transcription",
          object: "realtime.transcription_session",
          id: session.id,
          expires_at: clock.now() / 1000 + 60,
          audio: {
            input: {
              format: { type: "audio/pcm", rate: 24_000 },
              transcription: { model: "whisper-1", language: null, prompt: null },
              noise_reduction: null,
              turn_detection: {
                type: "server_vad",
                threshold: 0.5,
                prefix_padding_ms: 300,
                silence_duration_ms: 200,
                idle_timeout_ms: null,
              },
              detector: "silero",
            },
          },
          include: null,
        },
      },
    ]);
  });

  test("has OpenAI's events for a turn that it finds, in their order", async () => {
    const own = new TestSession();
    own.take();
    own.hear(20, 0);
    own.hear(20, 0.9);
    own.hear(10, 0);
    await own.settle();
    const [started, stopped, commit, added, done, delta, completed, ...rest] = own.take();
    const item_id = started?.item_id;
    expect(started).toMatchObject({ type: "input_audio_buffer.speech_started", audio_start_ms: 340 });
    expect(stopped).toMatchObject({ type: "input_audio_buffer.speech_stopped", audio_end_ms: 1504, item_id });
    expect(commit).toMatchObject({ type: committed[0], item_id, previous_item_id: null });
    const item = {
      id: item_id,
      type: "message",
      status: "completed",
      role: "user",
      content: [{ type: "input_audio", transcript: null }],
    };
    expect(added).toMatchObject({ type: committed[1], item, previous_item_id: null });
    expect(done).toMatchObject({ type: committed[2], item, previous_item_id: null });
    const about = { item_id, content_index: 0, event_id: expect.stringMatching(/^event_/) };
    const name = "conversation.item.input_audio_transcription";
    expect(delta).toEqual({ type: `${name}.delta`, ...about, delta: "Hello world." });
    const usage = { type: "duration", seconds: 2 };
    expect(completed).toEqual({ type: `${name}.completed`, ...about, transcript: "Hello world.", usage });
    expect(rest).toEqual([]);
    expect(own.engine.passes).toMatchObject([
      { fromMs: 340, toMs: 1504, options: { beamSize: 5, vad: false } },
    ]);
  });

  test("transcribes what the client commits, and nothing before, without detection", async () => {
    const own = new TestSession(manual);
    own.take();
    own.hear(40, 0.9);
    await own.settle();
    expect(own.types()).toEqual([]);
    own.send("input_audio_buffer.commit");
    own.append(500);
    own.send("input_audio_buffer.commit");
    await own.settle();
    const sent = own.take();
    expect(sent.map(({ type }) => type).filter((type) => type.endsWith("committed"))).toHaveLength(2);
    expect(own.engine.passes.map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([
      [0, 1280],
      [1280, 1780],
    ]);
    const commits = sent.filter(({ type }) => type === committed[0]);
    expect(commits[1]?.previous_item_id).toBe(commits[0]?.item_id);
    const texts = sent.filter(({ type }) => type.endsWith("completed")).map(({ transcript }) => transcript);
    expect(texts).toEqual(["Hello world.", "Hello world."]);
  });

  test("commits a turn under the id that it had when it started", () => {
    const own = new TestSession();
    own.hear(10, 0.9);
    own.send("input_audio_buffer.commit");
    const sent = own.take();
    const started = sent.find(({ type }) => type.endsWith("speech_started"));
    expect(sent.some(({ type }) => type.endsWith("speech_stopped"))).toBe(false);
    expect(sent.find(({ type }) => type.endsWith("committed"))?.item_id).toBe(started?.item_id);
  });

  test("gives an empty transcript for a turn in which nothing is said", async () => {
    const own = new TestSession(manual);
    own.engine.says = () => [];
    own.append(200);
    own.take();
    own.send("input_audio_buffer.commit");
    await own.settle();
    const sent = own.take();
    expect(sent.map(({ type }) => type)).not.toContain("conversation.item.input_audio_transcription.delta");
    expect(sent.at(-1)).toMatchObject({ transcript: "", usage: { type: "duration", seconds: 1 } });
    // what nobody has judged must not be made into words
    expect(own.engine.passes[0]?.options.vad).toBe(true);
  });

  test("finds turns but transcribes none without a transcription", async () => {
    const own = new TestSession({ ...manual, transcription: null });
    own.append(200);
    own.take();
    own.send("input_audio_buffer.commit");
    await own.settle();
    expect(own.types()).toEqual(committed);
    expect(own.engine.passes).toEqual([]);
  });

  test("sends log-probabilities, and segments of a speaker, if asked for", async () => {
    const own = new TestSession({
      ...manual,
      include: [logprobsKey],
      transcription: { model: "gpt-4o-transcribe-diarize", language: null, prompt: null },
    });
    own.append(2000);
    own.take();
    own.send("input_audio_buffer.commit");
    await own.settle();
    const [, , , delta, first, second, completed] = own.take();
    const logprobs = [" Hello", " world."].map((token) => ({
      token,
      logprob: 0,
      bytes: [...Buffer.from(token)],
    }));
    expect(delta).toMatchObject({ logprobs });
    expect(completed).toMatchObject({ logprobs });
    expect(first).toMatchObject({ speaker: "A", start: 0, end: 1, text: "Hello" });
    expect(second).toMatchObject({ speaker: "A", start: 1, end: 2, text: "world." });
  });

  test("hands its settings to the run", async () => {
    const own = new TestSession(manual);
    own.send("session.update", {
      session: {
        type: "transcription",
        audio: {
          input: { transcription: { languages: ["German"], prompt: "Hi", keywords: ["Bun", "Elysia"] } },
        },
      },
    });
    own.append(200);
    own.send("input_audio_buffer.commit");
    await own.settle();
    expect(own.engine.passes[0]?.options).toMatchObject({ language: "de", prompt: "Hi Bun, Elysia" });
  });

  test("has each turn transcribed by the model that is set by then", async () => {
    const own = new TestSession(manual);
    for (const model of ["whisper-1", "test-model"]) {
      own.send("session.update", {
        session: { type: "transcription", audio: { input: { transcription: { model } } } },
      });
      own.append(200);
      own.send("input_audio_buffer.commit");
      await own.settle();
    }
    expect(own.used).toEqual(["whisper-1", "test-model"]);
    expect(own.engine.passes.map(({ engine }) => engine)).toEqual([own.engine, own.engine]);
  });

  test("tells of a turn that fails, and goes on", async () => {
    const own = new TestSession(manual);
    own.append(200);
    own.take();
    own.engine.refusal = new AppError("server_overloaded", "The server is busy");
    own.send("input_audio_buffer.commit");
    await own.settle();
    expect(own.take().at(-1)).toMatchObject({
      type: "conversation.item.input_audio_transcription.failed",
      content_index: 0,
      error: {
        type: "transcription_error",
        code: "server_overloaded",
        message: "The server is busy",
        param: null,
      },
    });
    own.engine.refusal = new Error("the secret path");
    own.append(200);
    own.send("input_audio_buffer.commit");
    await own.settle();
    expect(JSON.stringify(own.take())).not.toContain("secret");
    expect(own.errors).toEqual([own.engine.refusal]);
    own.engine.refusal = null;
    own.append(200);
    own.send("input_audio_buffer.commit");
    await own.settle();
    expect(own.types().at(-1)).toBe("completed");
  });

  test("speaks the beta's language to those who do", async () => {
    const own = new TestSession(manual, {}, "beta");
    expect(own.types()).toEqual(["transcription_session.created"]);
    own.send("transcription_session.update", { session: { input_audio_format: "pcm16" } });
    expect(own.take()[0]).toMatchObject({
      type: "transcription_session.updated",
      session: { input_audio_format: "pcm16" },
    });
    own.append(200);
    own.send("input_audio_buffer.commit");
    await own.settle();
    expect(own.types()).toEqual([
      "input_audio_buffer.committed",
      "conversation.item.created",
      "delta",
      "completed",
    ]);
  });

  test("decodes what telephones send", () => {
    for (const type of ["audio/pcmu", "audio/pcma"] as const) {
      const own = new TestSession({ ...manual, format: { type } });
      own.append(100, 8);
      expect(own.live.options.rate).toBe(8000);
      expect(own.live.appendedMs).toBe(100);
    }
  });

  test("forgets what was cleared", async () => {
    const own = new TestSession();
    own.hear(10, 0.9);
    own.take();
    own.send("input_audio_buffer.clear");
    expect(own.types()).toEqual(["input_audio_buffer.cleared"]);
    expect(own.live.forgottenMs).toBe(320);
    own.hear(20, 0);
    expect(own.types()).toEqual([]);
  });

  test("frees what nobody needs any more", async () => {
    const own = new TestSession();
    own.hear(2000, 0);
    expect(own.live.forgottenMs).toBe(64_000 - 30_000);
    own.hear(10, 0.9);
    own.hear(10, 0);
    await own.settle();
    const [pass] = own.engine.passes;
    expect(own.live.forgottenMs).toBe(pass?.toMs ?? Number.NaN);
  });
});

describe("an event that is unfit", () => {
  test.each([
    ["text that is no JSON", "nonsense", "invalid_json", null],
    ["a number", "42", "invalid_event", null],
    ["a list", "[]", "invalid_event", null],
    ["an object without a type", "{}", "missing_required_parameter", "type"],
    ["an unknown type", '{"type":"response.create"}', "invalid_value", "type"],
    ["bytes", new Uint8Array([1, 2]), "invalid_event", null],
    ["audio that is missing", '{"type":"input_audio_buffer.append"}', "missing_required_parameter", "audio"],
    ["audio that is no text", '{"type":"input_audio_buffer.append","audio":[1]}', "invalid_value", "audio"],
    [
      "audio that is no base64",
      '{"type":"input_audio_buffer.append","audio":"a,b"}',
      "invalid_value",
      "audio",
    ],
    [
      "audio of more than 15 MiB",
      `{"type":"input_audio_buffer.append","audio":"${"A".repeat(15 * 2 ** 20 + 4)}"}`,
      "invalid_value",
      "audio",
    ],
    ["a nested value without end", "[".repeat(2 ** 22), "invalid_event", null],
    ["a nested value of fair length", `{"a":${"[".repeat(100_000)}`, "invalid_json", null],
    ["an endless text", `{"type":"${"x".repeat(2 ** 19)}"}`, "invalid_event", null],
    [
      "an id that is no text",
      '{"type":"input_audio_buffer.clear","event_id":7}',
      "invalid_value",
      "event_id",
    ],
    ["a commit of nothing", '{"type":"input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", null],
    ["an update without a session", '{"type":"session.update"}', "invalid_value", "session"],
  ] as const)("as %s is answered with an error, and the session goes on", (_, frame, code, param) => {
    const own = new TestSession();
    own.session.receive(frame);
    expect(own.error()).toMatchObject({ code, param });
    expect(own.closed).toEqual([]);
    own.send("input_audio_buffer.clear");
    expect(own.types()).toEqual(["input_audio_buffer.cleared"]);
  });

  test("is named by its id", () => {
    const own = new TestSession();
    own.send("input_audio_buffer.commit", { event_id: "evt_7" });
    expect(own.error()).toMatchObject({
      type: "invalid_request_error",
      event_id: "evt_7",
      message:
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has 0.00ms of audio.",
    });
  });

  test("changes nothing, though a part of it is fit", () => {
    const own = new TestSession();
    own.send("session.update", {
      session: { include: [logprobsKey], audio: { input: { turn_detection: 1 } } },
    });
    expect(own.error()).toMatchObject({ code: "invalid_value", param: "session.audio.input.turn_detection" });
    own.send("session.update", { session: {} });
    expect(own.take()[0]?.session.include).toBeNull();
  });

  test("as another format after audio is refused, the same one is not", () => {
    const own = new TestSession();
    own.append(20);
    const format = (rate: number) => ({
      session: { audio: { input: { format: { type: "audio/pcm", rate } } } },
    });
    own.send("session.update", format(16_000));
    expect(own.error()).toMatchObject({ code: "invalid_value", param: "session.audio.input.format" });
    own.send("session.update", format(24_000));
    expect(own.types()).toEqual(["session.updated"]);
  });
});

describe("the budget of audio", () => {
  const sum = (charged: readonly number[]) => charged.reduce((total, ms) => total + ms, 0);

  test("is charged each turn's length", async () => {
    const own = new TestSession(manual);
    for (const ms of [500, 700]) {
      own.append(ms);
      own.send("input_audio_buffer.commit");
      await own.settle();
    }
    expect(own.charged).toEqual([500, 700]);
  });

  test("that is used up fails the turn, and the session lives", async () => {
    const own = new TestSession(manual);
    own.left = 600;
    const turn = async (ms: number) => {
      own.append(ms);
      own.send("input_audio_buffer.commit");
      await own.settle();
      return own.take().at(-1);
    };
    expect((await turn(500))?.type).toEndWith("completed");
    expect(await turn(200)).toMatchObject({
      type: "conversation.item.input_audio_transcription.failed",
      item_id: expect.stringMatching(/^item_/),
      error: { code: "rate_limit_exceeded", message: "Rate limit reached for audio" },
    });
    expect(own.closed).toEqual([]);
    own.left = 1000;
    expect((await turn(300))?.type).toEndWith("completed");
    expect(own.charged).toEqual([500, 300]);
  });

  test("pays once for audio that is heard again and again", async () => {
    const own = new TestSession({ transcription: quickly });
    for (let second = 0; second < 4; second += 1) {
      own.hear(32, 0.9);
      await own.settle();
    }
    own.hear(10, 0);
    await own.settle();
    const [first, last] = [own.engine.passes[0], own.engine.passes.at(-1)];
    expect(own.engine.passes.length).toBeGreaterThan(3);
    expect(sum(own.charged)).toBe((last?.toMs ?? 0) - (first?.fromMs ?? 0));
  });

  test("that is used up within a turn stops its text, and fails it at its end", async () => {
    const own = new TestSession({ transcription: quickly });
    own.left = 1500;
    own.take();
    for (let second = 0; second < 3; second += 1) {
      own.hear(32, 0.9);
      await own.settle();
    }
    own.hear(10, 0);
    await own.settle();
    expect(sum(own.charged)).toBeLessThanOrEqual(1500);
    expect(own.take().at(-1)).toMatchObject({ error: { code: "rate_limit_exceeded" } });
  });

  test("gets back what a pass has cost that was cut off before it said anything", async () => {
    const own = new TestSession({ transcription: quickly });
    const gate = Promise.withResolvers<void>();
    own.engine.beforeSaid = () => gate.promise;
    own.hear(32, 0.9);
    await own.settle();
    own.hear(10, 0);
    await own.engine.cancelled.promise;
    own.engine.beforeSaid = () => Promise.resolve();
    gate.resolve();
    await own.settle();
    expect(own.types().at(-1)).toBe("completed");
    const [first = 0, back, whole = 0] = own.charged;
    expect([own.charged.length, back]).toEqual([3, -first]);
    expect(whole).toBeGreaterThan(first);
  });
});

describe("with a delay", () => {
  test("text comes while its speaker still speaks, and the transcript begins with it", async () => {
    const own = new TestSession({ transcription: quickly });
    const words = [" One", " two", " three", " four", " five", " six"];
    own.engine.says = ({ fromMs, toMs }) => words.slice(0, Math.floor((toMs - fromMs) / 640));
    own.take();
    const said: string[] = [];
    for (let second = 0; second < 4; second += 1) {
      own.hear(32, 0.9);
      await own.settle();
      said.push(...own.take().flatMap(({ delta }) => (delta === undefined ? [] : [delta])));
    }
    expect(said).toEqual(["One", " two three", " four"]);
    own.hear(10, 0);
    await own.settle();
    const sent = own.take();
    expect(sent.map(({ type }) => type)).not.toContain("error");
    const rest = sent.filter(({ delta }) => delta !== undefined).map(({ delta }) => delta);
    expect(sent.at(-1)?.transcript).toBe([...said, ...rest].join(""));
    expect(sent.at(-1)?.transcript).toBe("One two three four five six");
  });

  test("text of a turn that the client will commit comes under the id that it will have", async () => {
    const own = new TestSession({ ...manual, transcription: quickly });
    own.take();
    for (const _ of [1, 2]) {
      own.hear(32, 0.9);
      await own.settle();
    }
    const [delta] = own.take();
    expect(delta).toMatchObject({ delta: "Hello" });
    own.send("input_audio_buffer.commit");
    await own.settle();
    const [commit, , , rest, completed] = own.take();
    const item_id = delta?.item_id;
    expect(commit).toMatchObject({ item_id });
    expect(rest).toMatchObject({ delta: " world.", item_id });
    expect(completed).toMatchObject({ transcript: "Hello world.", item_id });
  });

  test("silence is not transcribed again and again", async () => {
    const own = new TestSession({ ...manual, transcription: quickly });
    own.hear(32, 0.9);
    await own.settle();
    const { length } = own.engine.passes;
    for (let second = 0; second < 5; second += 1) {
      own.hear(32, 0);
      await own.settle();
    }
    expect(own.engine.passes).toHaveLength(length);
  });

  test("a pass that takes long is not followed by another at once", async () => {
    const own = new TestSession({ transcription: quickly });
    const gate = Promise.withResolvers<void>();
    own.engine.admission = gate.promise;
    own.hear(32, 0.9);
    own.clock.pass(3000);
    gate.resolve();
    await own.settle();
    own.hear(64, 0.9);
    await own.settle();
    expect(own.engine.passes).toHaveLength(1);
    own.hear(32, 0.9);
    await own.settle();
    expect(own.engine.passes).toHaveLength(2);
  });

  test("the end of a turn does not wait for a pass over its beginning", async () => {
    const own = new TestSession({ transcription: quickly });
    const gate = Promise.withResolvers<void>();
    own.engine.admission = gate.promise;
    own.hear(32, 0.9);
    own.hear(10, 0);
    await own.engine.cancelled.promise;
    gate.resolve();
    await own.settle();
    expect(own.engine.passes).toHaveLength(2);
    expect(own.types().at(-1)).toBe("completed");
  });

  test("a long turn is heard in parts, and its text is whole", async () => {
    const own = new TestSession({ transcription: quickly });
    // a segment of a second each, a word each, numbered from the turn's start
    own.engine.says = ({ fromMs, toMs }) =>
      Array.from(
        { length: Math.floor((toMs - fromMs) / 1000) },
        (_, index) => ` w${Math.round(fromMs / 1000) + index}`,
      );
    for (let second = 0; second < 60; second += 1) {
      own.hear(32, 0.9);
      await own.settle();
    }
    own.hear(10, 0);
    await own.settle();
    const longest = Math.max(...own.engine.passes.map(({ fromMs, toMs }) => toMs - fromMs));
    expect(longest).toBeLessThan(30_000);
    expect(own.engine.passes.at(-1)?.options.prompt).toStartWith("w0 w1 ");
    const numbers = String(own.take().at(-1)?.transcript).split(" ");
    expect(numbers.slice(0, 61)).toEqual(Array.from({ length: 61 }, (_, index) => `w${index}`));
  });
});

describe("the end of a session", () => {
  test("comes with its time", () => {
    const own = new TestSession();
    own.append(20);
    own.take();
    own.clock.pass(60_000);
    expect(own.error()).toMatchObject({ code: "session_expired" });
    expect(own.closed).toEqual([{ code: 1001, reason: "session_expired" }]);
    expect(own.live.closed).toBe(true);
  });

  test("comes with too many events", () => {
    const own = new TestSession({}, { maxEvents: 10, eventsPerSecond: 1 });
    for (let event = 0; event < 20; event += 1) own.send("input_audio_buffer.clear");
    expect(own.closed).toEqual([{ code: 1013, reason: "rate_limit_exceeded" }]);
    expect(own.error()).toMatchObject({ code: "rate_limit_exceeded", type: "rate_limit_error" });
  });

  test("does not come with as many in their time", () => {
    const own = new TestSession({}, { maxEvents: 10, eventsPerSecond: 1 });
    for (let event = 0; event < 20; event += 1) {
      own.send("input_audio_buffer.clear");
      own.clock.pass(1100);
    }
    expect(own.closed).toEqual([]);
  });

  test("comes with more audio than is kept", () => {
    const own = new TestSession(manual, { maxBufferedMs: 1000 });
    own.append(900);
    own.append(200);
    expect(own.error()).toMatchObject({ code: "audio_too_long" });
    expect(own.closed).toEqual([{ code: 1013, reason: "audio_too_long" }]);
    expect(own.live.closed).toBe(true);
  });

  test("comes with more audio than all sessions keep together, beyond what is its own", () => {
    const shared = new SharedAudio(1000, 500);
    const [one, two, three] = [0, 1, 2].map(() => new TestSession(manual, {}, "ga", shared));
    one?.append(1400); // 900 of 1000
    two?.append(600);
    two?.append(100);
    expect(two?.closed).toEqual([{ code: 1013, reason: "audio_too_long" }]);
    expect(two?.live.closed).toBe(true);
    three?.append(500);
    expect(three?.closed).toEqual([]);
    one?.session.leave();
    three?.append(900);
    expect(three?.closed).toEqual([]);
    three?.append(200);
    expect(three?.closed).toEqual([{ code: 1013, reason: "audio_too_long" }]);
  });

  test("may come with as much again when what it kept is forgotten", () => {
    const own = new TestSession(manual, {}, "ga", new SharedAudio(1000, 0));
    for (let round = 0; round < 5; round += 1) {
      own.append(900);
      own.send("input_audio_buffer.clear");
    }
    expect(own.closed).toEqual([]);
  });

  test.each(["before admission", "while it runs"])(
    "stops the work of a turn %s, and frees all",
    async (when) => {
      const own = new TestSession({ ...manual, transcription: quickly });
      own.append(200);
      if (when === "before admission") own.engine.admission = new Promise(() => {});
      own.send("input_audio_buffer.commit");
      own.send("input_audio_buffer.append", { audio: "AAAA" });
      own.take();
      own.session.leave();
      await own.settle();
      expect(own.engine.passes[0]?.signal.aborted).toBe(true);
      expect(own.live.closed).toBe(true);
      expect(own.clock.pending).toBe(0);
      own.append(200);
      own.session.end(1012);
      own.live.judge(0.9, 0.9, 0.9);
      expect(own.sent).toEqual([]);
      expect(own.closed).toEqual([]);
    },
  );
});

test("a client that is far ahead is not read until the server has caught up", async () => {
  const own = new TestSession(manual, { maxWaiting: 3 });
  const gate = Promise.withResolvers<void>();
  own.engine.admission = gate.promise;
  for (let turn = 0; turn < 4; turn += 1) {
    own.append(200);
    own.send("input_audio_buffer.commit");
  }
  expect(own.reading).toEqual([false]);
  gate.resolve();
  await own.settle();
  expect(own.reading).toEqual([false, true]);
  expect(own.types().filter((type) => type === "completed")).toHaveLength(4);
});

test("a client that sends faster than it is judged is not read until that is done", () => {
  const own = new TestSession();
  own.append(70_000);
  expect(own.reading).toEqual([false]);
  own.live.judge(...Array<number>(1000).fill(0));
  expect(own.reading).toEqual([false, true]);
});
