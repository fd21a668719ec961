import { expect, test } from "bun:test";
import { defaultOptions } from "../../src/core/options.ts";
import type { EngineRequest } from "../../src/engine/engine.ts";
import { FakeEngine, testModel, testSegment } from "../helpers/engine.ts";
import { errorOf, form, jsonOf, type TestServer, testServer } from "../helpers/server.ts";

const transcriptions = "/v1/audio/transcriptions";
const translations = "/v1/audio/translations";
type Fields = Parameters<typeof form>[0];

/** The engine's request that a form leads to. */
async function requestFor(server: TestServer, fields: Fields, path = transcriptions): Promise<EngineRequest> {
  // other fields may mean the same, and the engine is to be asked all the same
  const response = await server.fetch(path, { ...form(fields), headers: { "cache-control": "no-store" } });
  expect([fields, response.status, await response.text()]).toEqual([fields, 200, expect.any(String)]);
  const request = server.engine.requests.at(-1);
  if (!request) throw new Error("The engine was not called");
  return request;
}

/** The error that a form leads to. */
async function errorFor(server: TestServer, fields: Fields, path = transcriptions): Promise<object> {
  const response = await server.fetch(path, form(fields));
  return { status: response.status, ...(await errorOf(response)) };
}

test("a bare upload is transcribed with the defaults", async () => {
  await using server = await testServer();
  const request = await requestFor(server, {});
  expect(request.options).toEqual(defaultOptions);
  expect(request.priority).toBe("request");
  expect(server.engine.requests[0]?.audio).toEqual(new TextEncoder().encode("RIFF..."));
});

test("every decoding option has a field of its name in snake_case", async () => {
  await using server = await testServer({ hasVad: true });
  const { options } = await requestFor(server, {
    language: "de",
    prompt: "Guten Tag.",
    carry_prompt: "true",
    condition_on_previous_text: "false",
    temperature: "0.25",
    temperature_increment: "0",
    compression_ratio_threshold: "2.8",
    logprob_threshold: "-0.5",
    no_speech_threshold: "1e-1",
    best_of: "3",
    beam_size: "1",
    patience: "1.5",
    length_penalty: ".5",
    suppress_blank: "0",
    suppress_non_speech: "on",
    timestamps: "off",
    max_initial_timestamp_ms: "0",
    speaker_turns: "1",
    seed: "7",
    offset_ms: "1500",
    duration_ms: "60000",
    vad: "TRUE",
    vad_threshold: "0.75",
    vad_min_speech_ms: "1",
    vad_min_silence_ms: "2",
    vad_max_speech_ms: "3",
    vad_pad_ms: "4",
    response_format: "verbose_json",
    timestamp_granularities: ["word"],
  });
  expect(options).toEqual({
    task: "transcribe",
    language: "de",
    prompt: "Guten Tag.",
    carryPrompt: true,
    conditionOnPreviousText: false,
    temperature: 0.25,
    temperatureIncrement: 0,
    seed: 7,
    compressionRatioThreshold: 2.8,
    logprobThreshold: -0.5,
    noSpeechThreshold: 0.1,
    bestOf: 3,
    beamSize: 1,
    patience: 1.5,
    lengthPenalty: 0.5,
    suppressBlank: false,
    suppressNonSpeech: true,
    timestamps: false,
    wordTimes: true,
    maxInitialTimestampMs: 0,
    speakerTurns: true,
    splitChannels: false,
    offsetMs: 1500,
    durationMs: 60_000,
    vad: true,
    vadThreshold: 0.75,
    vadMinSpeechMs: 1,
    vadMinSilenceMs: 2,
    vadMaxSpeechMs: 3,
    vadPadMs: 4,
  });
});

test("a value that a field cannot have is refused with what was expected", async () => {
  await using server = await testServer();
  const long = "x".repeat(500);
  for (const [name, text, expected] of [
    ["temperature", "1.5", 'a number from 0 to 1 for temperature but received "1.5"'],
    ["temperature", "-0.1", 'a number from 0 to 1 for temperature but received "-0.1"'],
    ["temperature", "", 'a number from 0 to 1 for temperature but received ""'],
    ["temperature", "abc", 'a number from 0 to 1 for temperature but received "abc"'],
    ["temperature", "NaN", 'a number from 0 to 1 for temperature but received "NaN"'],
    ["temperature", "1e999", 'a number from 0 to 1 for temperature but received "1e999"'],
    ["temperature", "0x1", 'a number from 0 to 1 for temperature but received "0x1"'],
    ["temperature", " 1", 'a number from 0 to 1 for temperature but received " 1"'],
    ["temperature", "1,0", 'a number from 0 to 1 for temperature but received "1,0"'],
    ["beam_size", "0", 'an integer from 1 to 8 for beam_size but received "0"'],
    ["beam_size", "2.0", 'an integer from 1 to 8 for beam_size but received "2.0"'],
    ["best_of", "9", 'an integer from 1 to 8 for best_of but received "9"'],
    ["offset_ms", "-1", 'an integer from 0 to 2147483647 for offset_ms but received "-1"'],
    ["stream", "yes", 'true or false for stream but received "yes"'],
    ["stream", "", 'true or false for stream but received ""'],
    [
      "response_format",
      "xml",
      'one of json, text, srt, verbose_json, vtt, diarized_json for response_format but received "xml"',
    ],
    [
      "response_format",
      "JSON",
      'one of json, text, srt, verbose_json, vtt, diarized_json for response_format but received "JSON"',
    ],
    [
      "timestamp_granularities",
      ["line"],
      'one of word, segment for timestamp_granularities but received "line"',
    ],
    ["include", ["tokens"], 'one of logprobs for include but received "tokens"'],
    ["include", ["logprobs", "logprobs"], "at most 1 values for include but received 2"],
    [
      "known_speaker_names",
      ["a", "b", "c", "d", "e"],
      "at most 4 values for known_speaker_names but received 5",
    ],
    [
      "known_speaker_names",
      [long],
      `at most 256 characters for known_speaker_names but received "${"x".repeat(60)}…"`,
    ],
    ["beam_size", "1\t2", 'an integer from 1 to 8 for beam_size but received "1\\t2"'],
    ["keywords", ["fine", "<b>"], 'one line without < and > for keywords but received "<b>"'],
    ["hotwords", "a>b", 'one line without < and > for hotwords but received "a>b"'],
    ["max_line_width", "501", 'an integer from 0 to 500 for max_line_width but received "501"'],
    ["highlight_words", "maybe", 'true or false for highlight_words but received "maybe"'],
    ["keywords", ["two\r\nlines"], 'one line without < and > for keywords but received "two\\r\\nlines"'],
  ] as const) {
    expect(await errorFor(server, { [name]: text })).toEqual({
      status: 400,
      type: "invalid_request_error",
      code: "invalid_value",
      param: name,
      message: `Expected ${expected}`,
    });
  }
  expect(server.engine.requests).toEqual([]);
});

test("a single field that is sent twice is refused", async () => {
  await using server = await testServer();
  const init = form({ temperature: "0" });
  if (init.body instanceof FormData) init.body.append("temperature", "1");
  const response = await server.fetch(transcriptions, init);
  expect(await errorOf(response)).toMatchObject({
    param: "temperature",
    message: "Expected one value for temperature but received 2",
  });
});

test("a list may be written with brackets or without", async () => {
  await using server = await testServer();
  for (const name of ["timestamp_granularities", "timestamp_granularities[]"]) {
    const { options } = await requestFor(server, { response_format: "verbose_json", [name]: "word" });
    expect(options.wordTimes).toBe(true);
  }
});

test("unknown fields are ignored", async () => {
  await using server = await testServer();
  const { options } = await requestFor(server, {
    best_words: ["a", "b"],
    "nested[a]": "1",
    constructor: "x",
    known_speaker_references: ["data:audio/wav;base64,AAAA"],
    task: "translate",
    word_times: "true",
    split_channels: "true",
  });
  expect(options).toEqual(defaultOptions);
});

test("the model may be absent, empty, the loaded one or one of OpenAI's names", async () => {
  await using server = await testServer();
  for (const fields of [
    {},
    { model: "" },
    { model: "test-model" },
    { model: "whisper-1" },
    { model: "gpt-4o-mini-transcribe" },
  ]) {
    await requestFor(server, fields);
  }
});

test("an unknown model does not exist", async () => {
  await using server = await testServer();
  for (const path of [transcriptions, translations]) {
    expect(await errorFor(server, { model: "whisper-9" }, path)).toEqual({
      status: 404,
      type: "invalid_request_error",
      code: "model_not_found",
      param: "model",
      message: "The model 'whisper-9' does not exist",
    });
  }
});

test("a language is a code, a name or a tag; without one it is detected", async () => {
  await using server = await testServer();
  for (const [fields, language] of [
    [{}, "auto"],
    [{ language: "" }, "auto"],
    [{ language: "auto" }, "auto"],
    [{ language: "de" }, "de"],
    [{ language: "German" }, "de"],
    [{ language: "en-US" }, "en"],
    [{ languages: ["fr"] }, "fr"],
    [{ languages: ["fr", "de"] }, "auto"],
  ] as const) {
    expect((await requestFor(server, fields)).options.language).toBe(language);
  }
});

test("a language that does not exist is refused with OpenAI's code", async () => {
  await using server = await testServer();
  for (const [fields, param] of [
    [{ language: "xx" }, "language"],
    [{ language: "xx-yy" }, "language"],
    [{ languages: ["de", "xx"] }, "languages"],
  ] as const) {
    expect(await errorFor(server, fields)).toMatchObject({
      status: 400,
      code: "invalid_language_format",
      param,
    });
  }
});

test("a language that the model does not know is refused", async () => {
  await using server = await testServer();
  expect(await errorFor(server, { language: "ja" })).toMatchObject({
    status: 400,
    code: "invalid_value",
    param: "language",
  });
});

test("language and languages cannot be combined", async () => {
  await using server = await testServer();
  expect(await errorFor(server, { language: "de", languages: ["de"] })).toMatchObject({
    status: 400,
    param: "languages",
  });
});

test("an English-only model takes no other language and does not translate", async () => {
  const engine = new FakeEngine({ ...testModel, multilingual: false, languages: ["en"] });
  await using server = await testServer({ engine });
  for (const fields of [{}, { language: "en" }, { language: "auto" }]) {
    expect((await requestFor(server, fields)).options.language).toBe("en");
  }
  expect(await errorFor(server, { language: "de" })).toMatchObject({ status: 400, param: "language" });
  expect(await errorFor(server, {}, translations)).toMatchObject({ status: 400, param: "model" });
});

test("subtitles are shaped by fields, and their words then have times", async () => {
  const words = ["Hello", "there"].map((text, index) => ({
    ...{ text, startMs: index * 400, endMs: index * 400 + 400, probability: 1 },
  }));
  const engine = new FakeEngine(testModel, [testSegment(0, " Hello there", { words })]);
  await using server = await testServer({ engine });
  const shaped = { response_format: "srt", max_line_width: "10", max_line_count: "2" };
  const file = "1\n00:00:00,000 --> 00:00:01,000\nHello\nthere\n\n\n";
  for (const path of [transcriptions, translations]) {
    expect(await (await server.fetch(path, form(shaped))).text()).toBe(file);
    const events = await (await server.fetch(path, form({ ...shaped, stream: "true" }))).text();
    expect(events).toContain(JSON.stringify({ type: "transcript.text.delta", delta: file }));
    expect(engine.requests.at(-1)?.options.wordTimes).toBe(true);
  }
  for (const fields of [{ response_format: "srt" }, { response_format: "json", highlight_words: "true" }])
    expect((await requestFor(server, fields)).options.wordTimes).toBe(false);
});

test("speaker turns alternate in diarized_json when they are asked for", async () => {
  const said = [testSegment(0, " Hello.", { speakerTurn: true }), testSegment(1, " Hi.")];
  await using server = await testServer({ engine: new FakeEngine(testModel, said) });
  for (const [turns, speakers] of [
    ["true", ["A", "B"]],
    ["false", ["A", "A"]],
  ] as const) {
    const fields = form({ response_format: "diarized_json", speaker_turns: turns });
    const { segments } = await jsonOf<{ segments: { speaker: string }[] }>(
      await server.fetch(transcriptions, fields),
    );
    expect(segments.map(({ speaker }) => speaker)).toEqual([...speakers]);
  }
});

test("the shortest duration of a cue gives way to a longest that is sent, and is refused beside it", async () => {
  await using server = await testServer();
  const fields = { response_format: "vtt", max_cue_duration_ms: "500" };
  expect((await requestFor(server, fields)).options.wordTimes).toBe(true);
  expect(await errorFor(server, { ...fields, min_cue_duration_ms: "600" })).toMatchObject({
    status: 400,
    param: "max_cue_duration_ms",
    message: "Expected at least min_cue_duration_ms, 600, for max_cue_duration_ms but received 500",
  });
});

test("keywords are appended to the prompt", async () => {
  await using server = await testServer();
  expect((await requestFor(server, { prompt: "A talk.", keywords: ["Elysia", "Bun"] })).options.prompt).toBe(
    "A talk. Elysia, Bun",
  );
  expect((await requestFor(server, { keywords: ["Elysia"] })).options.prompt).toBe("Elysia");
  const both = { prompt: "A talk.", keywords: ["Elysia"], hotwords: "Bun, Zig" };
  expect((await requestFor(server, both)).options.prompt).toBe("A talk. Elysia, Bun, Zig");
  expect((await requestFor(server, { prompt: "" })).options.prompt).toBe("");
});

test("word times need verbose_json", async () => {
  await using server = await testServer();
  for (const format of ["json", "text", "srt", "vtt", "diarized_json"]) {
    const error = await errorFor(server, { response_format: format, timestamp_granularities: ["word"] });
    expect(error).toMatchObject({ status: 400, code: "invalid_value", param: "timestamp_granularities" });
  }
  expect(await errorFor(server, { timestamp_granularities: ["word"] })).toMatchObject({
    param: "timestamp_granularities",
  });
  expect((await requestFor(server, { timestamp_granularities: ["segment"] })).options.wordTimes).toBe(false);
});

test("chunking_strategy comes in three spellings", async () => {
  await using server = await testServer({ hasVad: true });
  const vadOf = async (fields: Fields) => {
    const { vad, vadThreshold, vadPadMs, vadMinSilenceMs } = (await requestFor(server, fields)).options;
    return { vad, vadThreshold, vadPadMs, vadMinSilenceMs };
  };
  const { vadThreshold, vadPadMs, vadMinSilenceMs } = defaultOptions;
  expect(await vadOf({ chunking_strategy: "auto" })).toEqual({
    vad: true,
    vadThreshold,
    vadPadMs,
    vadMinSilenceMs,
  });
  const openAI = { vad: true, vadThreshold: 0.5, vadPadMs: 300, vadMinSilenceMs: 200 };
  expect(await vadOf({ chunking_strategy: '{"type":"server_vad"}' })).toEqual(openAI);
  expect(await vadOf({ "chunking_strategy[type]": "server_vad" })).toEqual(openAI);
  const own = { vad: true, vadThreshold: 0.25, vadPadMs: 10, vadMinSilenceMs: 20 };
  const json = { type: "server_vad", threshold: 0.25, prefix_padding_ms: 10, silence_duration_ms: 20 };
  expect(await vadOf({ chunking_strategy: JSON.stringify(json) })).toEqual(own);
  expect(
    await vadOf({
      "chunking_strategy[threshold]": "0.25",
      "chunking_strategy[silence_duration_ms]": "20",
      "chunking_strategy[prefix_padding_ms]": "10",
      "chunking_strategy[type]": "server_vad",
    }),
  ).toEqual(own);
  expect(await vadOf({ chunking_strategy: JSON.stringify(json), vad_pad_ms: "99" })).toEqual({
    ...own,
    vadPadMs: 99,
  });
});

test("a chunking_strategy that is none is refused", async () => {
  await using server = await testServer({ hasVad: true });
  for (const [fields, param] of [
    [{ chunking_strategy: "always" }, "chunking_strategy"],
    [{ chunking_strategy: "[]" }, "chunking_strategy"],
    [{ chunking_strategy: "{" }, "chunking_strategy"],
    [{ chunking_strategy: "null" }, "chunking_strategy"],
    [{ chunking_strategy: "{}" }, "chunking_strategy"],
    [{ chunking_strategy: '{"type":"semantic_vad"}' }, "chunking_strategy[type]"],
    [{ chunking_strategy: '{"type":"server_vad","threshold":2}' }, "chunking_strategy[threshold]"],
    [{ chunking_strategy: '{"type":"server_vad","threshold":null}' }, "chunking_strategy[threshold]"],
    [{ chunking_strategy: '{"type":"server_vad","threshold":{}}' }, "chunking_strategy[threshold]"],
    [{ "chunking_strategy[threshold]": "0.5" }, "chunking_strategy"],
    [
      { "chunking_strategy[type]": "server_vad", "chunking_strategy[threshold]": "x" },
      "chunking_strategy[threshold]",
    ],
  ] as const) {
    expect(await errorFor(server, fields)).toMatchObject({ status: 400, code: "invalid_value", param });
  }
});

test("voice activity detection without its weights is a clear refusal, but auto goes on without", async () => {
  await using server = await testServer({ hasVad: false });
  for (const [fields, param] of [
    [{ vad: "true" }, "vad"],
    [{ vad_filter: "true" }, "vad"],
    [{ chunking_strategy: '{"type":"server_vad"}' }, "chunking_strategy"],
  ] as const) {
    expect(await errorFor(server, fields)).toMatchObject({ status: 503, code: "model_unavailable", param });
  }
  for (const fields of [
    { chunking_strategy: "auto" },
    { vad: "false", chunking_strategy: '{"type":"server_vad"}' },
    { vad_filter: "false" },
  ]) {
    expect((await requestFor(server, fields)).options.vad).toBe(false);
  }
});

test("each format has OpenAI's content type and body", async () => {
  await using server = await testServer();
  const plain = "text/plain; charset=utf-8";
  for (const [format, contentType, body] of [
    ["json", "application/json", '{"text":"Hello world.","usage":{"type":"duration","seconds":2}}'],
    ["text", plain, "Hello world.\n"],
    [
      "srt",
      plain,
      "1\n00:00:00,000 --> 00:00:01,000\nHello\n\n2\n00:00:01,000 --> 00:00:02,000\nworld.\n\n\n",
    ],
    [
      "vtt",
      plain,
      "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello\n\n00:00:01.000 --> 00:00:02.000\nworld.\n\n",
    ],
  ] as const) {
    const response = await server.fetch(transcriptions, form({ response_format: format }));
    expect(response.headers.get("content-type")).toBe(contentType);
    expect(await response.text()).toBe(body);
  }
});

test("verbose_json has segments and words as the granularities ask", async () => {
  const words = [{ text: "Hello", startMs: 0, endMs: 500, probability: 1 }];
  const engine = new FakeEngine(testModel, [testSegment(0, " Hello", { words })]);
  await using server = await testServer({ engine });
  for (const [granularities, keys] of [
    [[], ["segments"]],
    [["segment"], ["segments"]],
    [["word"], ["words"]],
    [
      ["word", "segment"],
      ["segments", "words"],
    ],
  ] as const) {
    const fields = { response_format: "verbose_json", timestamp_granularities: granularities };
    const body = await jsonOf<object>(await server.fetch(transcriptions, form(fields)));
    expect(Object.keys(body)).toEqual(["task", "language", "duration", "text", ...keys, "usage"]);
  }
});

test("diarized_json takes the channels apart and names their speakers", async () => {
  const segments = [testSegment(0, " Hello."), testSegment(1, " Hi.", { channel: 1 })];
  await using server = await testServer({ engine: new FakeEngine(testModel, segments) });
  const fields = { response_format: "diarized_json", known_speaker_names: ["Ann"] };
  const body = await jsonOf<{ segments: { speaker: string }[] }>(
    await server.fetch(transcriptions, form(fields)),
  );
  expect(server.engine.requests[0]?.options.splitChannels).toBe(true);
  expect(body.segments.map(({ speaker }) => speaker)).toEqual(["Ann", "B"]);
});

test("logprobs come with json and are ignored elsewhere", async () => {
  await using server = await testServer();
  const ask = async (format: string) =>
    await jsonOf<{ logprobs?: object[] }>(
      await server.fetch(transcriptions, form({ include: ["logprobs"], response_format: format })),
    );
  expect((await ask("json")).logprobs).toHaveLength(2);
  expect(await ask("verbose_json")).not.toHaveProperty("logprobs");
});

test("a translation is English, whatever was spoken", async () => {
  await using server = await testServer();
  const { options } = await requestFor(server, { language: "de" }, translations);
  expect(options).toMatchObject({ task: "translate", language: "de" });
  const response = await server.fetch(translations, form({ response_format: "verbose_json" }));
  expect(await response.json()).toMatchObject({
    task: "translate",
    language: "english",
    text: "Hello world.",
  });
  expect(await errorFor(server, { response_format: "diarized_json" }, translations)).toMatchObject({
    status: 400,
    param: "response_format",
  });
});

test("the file is gone once the run has begun", async () => {
  const engine = new FakeEngine();
  const gate = Promise.withResolvers<void>();
  engine.beforeEvent = () => gate.promise;
  await using server = await testServer({ engine });
  const response = await server.fetch(transcriptions, form({ stream: "true" }));
  expect(engine.requests).toHaveLength(1);
  expect(await server.leftovers()).toEqual([]);
  gate.resolve();
  expect(await response.text()).toEndWith("data: [DONE]\r\n\r\n");
});
