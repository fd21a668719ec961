#include "node/event_js.h"

#include <algorithm>
#include <type_traits>

namespace {

Napi::Value time_or_null(Napi::Env env, int64_t ms) {
  return ms < 0 ? env.Null() : Napi::Number::New(env, static_cast<double>(ms));
}

template <typename T, typename Make>
Napi::Array array_of(Napi::Env env, const std::vector<T>& items, Make make) {
  Napi::Array array = Napi::Array::New(env, items.size());
  for (uint32_t i = 0; i < items.size(); ++i) array.Set(i, make(env, items[i]));
  return array;
}

Napi::Object token_to_js(Napi::Env env, const Token& token) {
  auto bytes = Napi::Uint8Array::New(env, token.bytes.size());
  std::copy(token.bytes.begin(), token.bytes.end(), bytes.Data());
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", token.id);
  object.Set("bytes", bytes);
  object.Set("probability", token.probability);
  object.Set("logprob", token.logprob);
  object.Set("startMs", time_or_null(env, token.start_ms));
  object.Set("endMs", time_or_null(env, token.end_ms));
  return object;
}

Napi::Object word_to_js(Napi::Env env, const Word& word) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("text", word.text);
  object.Set("startMs", static_cast<double>(word.start_ms));
  object.Set("endMs", static_cast<double>(word.end_ms));
  object.Set("probability", word.probability);
  return object;
}

Napi::Object segment_to_js(Napi::Env env, const Segment& segment) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", segment.id);
  object.Set("seek", static_cast<double>(segment.seek));
  object.Set("startMs", static_cast<double>(segment.start_ms));
  object.Set("endMs", static_cast<double>(segment.end_ms));
  object.Set("text", segment.text);
  object.Set("tokens", array_of(env, segment.tokens, token_to_js));
  object.Set("words", array_of(env, segment.words, word_to_js));
  object.Set("avgLogprob", segment.avg_logprob);
  object.Set("noSpeechProb", segment.no_speech_prob);
  object.Set("compressionRatio", segment.compression_ratio);
  object.Set("temperature", segment.temperature);
  object.Set("speakerTurn", segment.speaker_turn);
  return object;
}

}  // namespace

Napi::Object event_to_js(Napi::Env env, const Event& event) {
  Napi::Object object = Napi::Object::New(env);
  std::visit(
      [&](const auto& what) {
        using What = std::decay_t<decltype(what)>;
        if constexpr (std::is_same_v<What, Attempt>) {
          object.Set("type", "attempt");
          object.Set("number", what.number);
          object.Set("temperature", what.temperature);
        } else if constexpr (std::is_same_v<What, Accepted>) {
          object.Set("type", "token");
          object.Set("token", token_to_js(env, what.token));
          object.Set("windowMs", time_or_null(env, what.window_ms));
        } else if constexpr (std::is_same_v<What, Segment>) {
          object.Set("type", "segment");
          object.Set("segment", segment_to_js(env, what));
        } else if constexpr (std::is_same_v<What, Progress>) {
          object.Set("type", "progress");
          object.Set("doneMs", static_cast<double>(what.done_ms));
          object.Set("totalMs", static_cast<double>(what.total_ms));
        } else if constexpr (std::is_same_v<What, Done>) {
          object.Set("type", "done");
          object.Set("language", what.language);
          object.Set("computeMs", static_cast<double>(what.compute_ms));
          object.Set("waitMs", static_cast<double>(what.wait_ms));
        } else {
          object.Set("type", "error");
          object.Set("code", what.code);
          object.Set("message", what.message);
        }
      },
      event);
  return object;
}
