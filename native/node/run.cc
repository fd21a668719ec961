#include "node/run.h"

#include <utility>

#include "engine/scheduler.h"
#include "node/event_js.h"
#include "node/js.h"
#include "whisper/run.h"

namespace {

/** Beyond it JavaScript's integers of 32 bits end. */
constexpr int64_t kLargestSeed = INT32_MAX;

}  // namespace

RunOptions run_options(const Napi::Value& value) {
  const Napi::Object given = js::object(value, "options");
  const auto boolean = [&](const char* key) { return js::boolean(given[key], key); };
  const auto string = [&](const char* key) { return js::string(given[key], key); };
  const auto number = [&](const char* key, double low, double high) {
    return static_cast<float>(js::number(given[key], key, low, high));
  };
  const auto integer = [&](const char* key, int64_t low, int64_t high) {
    return static_cast<int>(js::integer(given[key], key, low, high));
  };
  const auto ms = [&](const char* key) { return js::integer(given[key], key, 0, js::kLongestMs); };

  RunOptions options;
  options.translate = js::choice(given["task"], "task", {"transcribe", "translate"}) == 1;
  options.language = string("language");
  options.prompt = string("prompt");
  options.carry_prompt = boolean("carryPrompt");
  options.condition_on_previous_text = boolean("conditionOnPreviousText");
  options.temperature = number("temperature", 0, 1);
  options.temperature_increment = number("temperatureIncrement", 0, 1);
  options.seed = static_cast<uint32_t>(js::integer(given["seed"], "seed", 0, kLargestSeed));
  options.compression_ratio_threshold = number("compressionRatioThreshold", -1000, 1000);
  options.logprob_threshold = number("logprobThreshold", -1000, 1000);
  options.no_speech_threshold = number("noSpeechThreshold", 0, 1);
  options.best_of = integer("bestOf", 1, 8);
  options.beam_size = integer("beamSize", 1, 8);
  options.patience = number("patience", 0.1, 10);
  options.length_penalty = number("lengthPenalty", -1, 10);
  options.suppress_blank = boolean("suppressBlank");
  options.suppress_non_speech = boolean("suppressNonSpeech");
  options.timestamps = boolean("timestamps");
  options.word_times = boolean("wordTimes");
  options.max_initial_timestamp_ms =
      js::integer(given["maxInitialTimestampMs"], "maxInitialTimestampMs", 0, 30000);
  options.speaker_turns = boolean("speakerTurns");
  options.offset_ms = ms("offsetMs");
  options.duration_ms = ms("durationMs");
  options.token_events = boolean("tokenEvents");
  options.vad = boolean("vad");
  options.vad_threshold = number("vadThreshold", 0, 1);
  options.vad_min_speech_ms = ms("vadMinSpeechMs");
  options.vad_min_silence_ms = ms("vadMinSilenceMs");
  options.vad_max_speech_ms = ms("vadMaxSpeechMs");
  options.vad_pad_ms = ms("vadPadMs");
  options.vad_model = string("vadModel");
  options.priority =
      static_cast<Priority>(js::choice(given["priority"], "priority", {"live", "request", "batch"}));
  return options;
}

Napi::Value start_run(Napi::Env env, std::shared_ptr<Engine> engine, Samples samples, RunOptions options,
                      Napi::Function on_event, std::function<void(Napi::Env)> on_end) {
  // here, not on the thread: runs come in the order of the calls
  const auto visit = std::make_shared<Visit>(std::move(engine), options.priority);
  const auto listener = std::make_shared<Napi::FunctionReference>(Napi::Persistent(on_event));
  auto body = [visit, samples = std::move(samples), options = std::move(options),
               to = listener.get()](Background& self) {
    const auto emit = [&](Event event) {
      self.post([to, event = std::move(event)](Napi::Env on) { to->Call({event_to_js(on, event)}); });
    };
    js::guarded([&] { emit(run_whisper(*visit, *samples, options, self.cancelled(), emit)); },
                [&](const std::string& code, const std::string& message) { emit(Failure{code, message}); });
  };
  const auto background = js::with_code(env, [&] {
    return Background::start(
        env, std::move(body), [listener, on_end = std::move(on_end)](Napi::Env on) { on_end(on); },
        Scheduler::wake);
  });

  const Napi::Object run = Napi::Object::New(env);
  run.Set("cancel",
          Napi::Function::New(env, [background](const Napi::CallbackInfo&) { background->cancel(); }));
  return run;
}
