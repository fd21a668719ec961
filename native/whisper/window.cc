#include "whisper/window.h"

#include "whisper/compression.h"

namespace {

std::string text_of(const Weights& weights, const std::vector<int>& tokens) {
  std::string text;
  for (const int token : tokens) text += weights.bytes_of(token);
  return text;
}

}  // namespace

bool is_silent(const WindowResult& result, const RunOptions& options) {
  return result.no_speech_prob > options.no_speech_threshold &&
         result.decoding.avg_logprob <= options.logprob_threshold;
}

WindowResult decode_with_fallback(const SearchContext& context, float no_speech_prob, std::mt19937& random) {
  const RunOptions& options = context.options;
  WindowResult result;
  result.no_speech_prob = no_speech_prob;
  for (int attempt = 0;; ++attempt) {
    result.temperature = options.temperature + options.temperature_increment * static_cast<float>(attempt);
    if (context.listener.attempt) context.listener.attempt(attempt, result.temperature);
    result.decoding = search(context, result.temperature, random);
    result.text = text_of(context.session.weights(), result.decoding.tokens);
    result.compression_ratio = compression_ratio(result.text);
    const bool failed = result.compression_ratio > options.compression_ratio_threshold ||
                        result.decoding.avg_logprob < options.logprob_threshold;
    // 1 is the last temperature, but for the sum's rounding
    const bool last =
        options.temperature_increment == 0 || result.temperature + options.temperature_increment > 1 + 1e-6F;
    if (!failed || last || is_silent(result, options)) return result;
  }
}

Division divide(const std::vector<int>& tokens, const Vocabulary& vocabulary, int64_t frames) {
  const auto is_timestamp = [&](size_t index) { return vocabulary.is_timestamp(tokens[index]); };
  const auto frame_of = [&](size_t index) {
    return kFramesPerTimestamp * (tokens[index] - vocabulary.timestamp_begin);
  };
  const size_t count = tokens.size();
  const bool ends_with_one = count >= 2 && !is_timestamp(count - 2) && is_timestamp(count - 1);

  std::vector<size_t> cuts;
  for (size_t i = 1; i < count; ++i) {
    if (is_timestamp(i - 1) && is_timestamp(i)) cuts.push_back(i);
  }
  if (cuts.empty()) {
    // one segment, to the last timestamp if it is one
    int64_t end = frames;
    for (size_t i = count; i-- > 0;) {
      if (!is_timestamp(i)) continue;
      if (frame_of(i) > 0) end = frame_of(i);
      break;
    }
    const bool starts_with_one = count > 0 && is_timestamp(0);
    return {{{0, count, starts_with_one && end > frame_of(0) ? frame_of(0) : 0, end}}, frames};
  }
  if (ends_with_one) cuts.push_back(count);
  Division division{{}, frames};
  size_t first = 0;
  for (const size_t cut : cuts) {
    division.slices.push_back({first, cut, frame_of(first), frame_of(cut - 1)});
    first = cut;
  }
  if (!ends_with_one) division.next_frame = frame_of(first - 1);
  return division;
}
