import { describe, expect, test } from "bun:test";
import { AppError } from "../../../src/core/errors.ts";
import { defaultConfig, type SessionConfig } from "../../../src/live/config.ts";
import { betaSessionObject, sessionObject, update, updateBeta } from "../../../src/live/session-object.ts";

const spoken = {
  model: "test-model",
  languagesOf(name: string) {
    if (name === "test-model.en") return ["en"];
    return ["test-model", "whisper-1"].includes(name) ? ["en", "de"] : null;
  },
};
const ga = (input: object, current = defaultConfig) =>
  update(current, { type: "transcription", audio: { input } }, spoken);

function refusal(make: () => SessionConfig) {
  try {
    make();
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, param: error.param };
    throw error;
  }
  return null;
}

describe("an update", () => {
  test("changes what it names, and nothing else", () => {
    const first = ga({ transcription: { model: "whisper-1", language: "en", prompt: "Hi" } });
    expect(first).toEqual({
      ...defaultConfig,
      transcription: { model: "whisper-1", language: "en", prompt: "Hi" },
    });
    const second = ga({ transcription: { delay: "low" }, turn_detection: null }, first);
    expect(second.transcription).toEqual({ model: "whisper-1", language: "en", prompt: "Hi", delay: "low" });
    expect(second.turn_detection).toBeNull();
    expect(ga({ transcription: null }, second).transcription).toBeNull();
    expect(ga({ transcription: { language: null } }, second).transcription?.language).toBeNull();
  });

  test("fills what it leaves open with OpenAI's defaults", () => {
    expect(ga({ transcription: {} }).transcription).toEqual({
      model: "test-model",
      language: null,
      prompt: null,
    });
    expect(ga({ format: { type: "audio/pcm" } }).format).toEqual({ type: "audio/pcm", rate: 24_000 });
    expect(ga({ turn_detection: { type: "server_vad", threshold: 0.7 } }).turn_detection).toEqual({
      type: "server_vad",
      threshold: 0.7,
      prefix_padding_ms: 300,
      silence_duration_ms: 200,
      idle_timeout_ms: null,
    });
    expect(ga({ turn_detection: { type: "semantic_vad" } }).turn_detection).toEqual({
      type: "semantic_vad",
      eagerness: "auto",
    });
  });

  test("takes all that OpenAI documents, and back what it was sent", () => {
    const whole = {
      type: "transcription",
      audio: {
        input: {
          format: { type: "audio/pcm", rate: 16_000 },
          transcription: {
            model: "whisper-1",
            prompt: "",
            languages: ["en"],
            keywords: ["Kubernetes"],
            delay: "low",
          },
          noise_reduction: { type: "near_field", strength: 1 },
          turn_detection: {
            type: "server_vad",
            threshold: 0.5,
            prefix_padding_ms: 300,
            silence_duration_ms: 500,
            idle_timeout_ms: 6000,
            create_response: true,
            interrupt_response: false,
          },
        },
      },
      include: ["item.input_audio_transcription.logprobs"],
    };
    const config = update(defaultConfig, whole, spoken);
    const shown = sessionObject(config, { id: "sess_1", expiresAt: 5, detector: "silero" });
    expect(shown).toMatchObject({ object: "realtime.transcription_session", id: "sess_1", expires_at: 5 });
    expect(update(defaultConfig, shown, spoken)).toEqual(config);
  });

  test.each([
    [{ format: { type: "audio/opus" } }, "invalid_value", "format.type"],
    [{ format: { type: "audio/pcm", rate: 7999 } }, "invalid_value", "format.rate"],
    [{ format: { type: "audio/pcmu", rate: 16_000 } }, "invalid_value", "format.rate"],
    [{ format: null }, "invalid_value", "format"],
    [{ transcription: { model: "gpt-5" } }, "invalid_value", "transcription.model"],
    [{ transcription: { language: "klingon" } }, "invalid_value", "transcription.language"],
    [{ transcription: { language: "fr" } }, "invalid_value", "transcription.language"],
    [{ transcription: { delay: "soon" } }, "invalid_value", "transcription.delay"],
    [{ transcription: { keywords: ["a", "<b>"] } }, "invalid_value", "transcription.keywords[1]"],
    [
      { transcription: { model: "test-model.en", language: "de" } },
      "invalid_value",
      "transcription.language",
    ],
    [{ transcription: { language: "en", languages: ["de"] } }, "invalid_value", "transcription.languages"],
    [{ transcription: "whisper-1" }, "invalid_value", "transcription"],
    [{ transcription: { voice: "x" } }, "unknown_parameter", "transcription.voice"],
    [{ turn_detection: { type: "client_vad" } }, "invalid_value", "turn_detection.type"],
    [{ turn_detection: { threshold: 1.1 } }, "invalid_value", "turn_detection.threshold"],
    [{ turn_detection: { silence_duration_ms: 0.5 } }, "invalid_value", "turn_detection.silence_duration_ms"],
    [{ turn_detection: { idle_timeout_ms: 4999 } }, "invalid_value", "turn_detection.idle_timeout_ms"],
    [{ noise_reduction: { type: "far" } }, "invalid_value", "noise_reduction.type"],
    [{ __proto__: { x: 1 }, constructor: 1 }, "unknown_parameter", "constructor"],
  ])("with %j is refused: %s", (input, code, place) => {
    expect(refusal(() => ga(input))).toEqual({ code, param: `session.audio.input.${place}` } as never);
  });

  test.each([
    [undefined, "invalid_value", "session"],
    [[], "invalid_value", "session"],
    [{ bogus_field: 1 }, "unknown_parameter", "session.bogus_field"],
    [{ type: "realtime" }, "invalid_value", "session.type"],
    [{ include: ["logprobs"] }, "invalid_value", "session.include[0]"],
    [{ audio: { output: {} } }, "unknown_parameter", "session.audio.output"],
  ])("whose session is %j is refused: %s", (session, code, param) => {
    expect(refusal(() => update(defaultConfig, session, spoken))).toEqual({ code, param } as never);
  });
});

describe("the beta's flat session", () => {
  test("says the same", () => {
    const flat = {
      input_audio_format: "g711_ulaw",
      input_audio_transcription: { model: "whisper-1", prompt: "", language: "en" },
      turn_detection: { type: "server_vad", silence_duration_ms: 500 },
      input_audio_noise_reduction: null,
      include: [],
    };
    const config = updateBeta(defaultConfig, flat, spoken);
    expect(config.format).toEqual({ type: "audio/pcmu" });
    expect(config.turn_detection).toMatchObject({ silence_duration_ms: 500, threshold: 0.5 });
    const shown = betaSessionObject(config, { id: "sess_1", expiresAt: 5, detector: "energy" });
    expect(shown).toMatchObject({ input_audio_format: "g711_ulaw", input_audio_noise_reduction: null });
    expect(updateBeta(defaultConfig, shown, spoken)).toEqual(config);
  });

  test("is refused with its own names", () => {
    expect(refusal(() => updateBeta(defaultConfig, { input_audio_format: "pcm" }, spoken))).toEqual({
      code: "invalid_value",
      param: "session.input_audio_format",
    });
    expect(refusal(() => updateBeta(defaultConfig, { audio: {} }, spoken))).toEqual({
      code: "unknown_parameter",
      param: "session.audio",
    });
  });
});
