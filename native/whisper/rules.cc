#include "whisper/rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();
constexpr int64_t kMsPerTimestamp = 20;

/** Logarithm of the sum of the exponentials of [begin, end); minus infinity if all are. */
float log_sum_exp(const float* begin, const float* end) {
  const float highest = *std::max_element(begin, end);
  if (highest == kForbidden) return kForbidden;
  double sum = 0;
  for (const float* each = begin; each != end; ++each) sum += std::exp(*each - highest);
  return highest + static_cast<float>(std::log(sum));
}

}  // namespace

Rules::Rules(const Vocabulary& vocabulary, const RunOptions& options)
    : vocabulary_(vocabulary),
      suppress_blank_(options.suppress_blank),
      timestamps_(options.timestamps),
      max_initial_(options.max_initial_timestamp_ms == 0
                       ? -1
                       : static_cast<int>(options.max_initial_timestamp_ms / kMsPerTimestamp)) {
  suppressed_ = {vocabulary.sot,      vocabulary.translate, vocabulary.transcribe,
                 vocabulary.previous, vocabulary.no_speech, vocabulary.no_timestamps};
  suppressed_.insert(suppressed_.end(), vocabulary.languages.begin(), vocabulary.languages.end());
  if (!options.speaker_turns) suppressed_.push_back(vocabulary.speaker_turn);
  if (options.suppress_non_speech) {
    suppressed_.insert(suppressed_.end(), vocabulary.non_speech.begin(), vocabulary.non_speech.end());
  }
}

void Rules::apply(const std::vector<int>& tokens, std::vector<float>& logits) const {
  for (const int token : suppressed_) logits[token] = kForbidden;
  if (suppress_blank_ && tokens.empty()) {
    logits[vocabulary_.eot] = kForbidden;
    if (vocabulary_.blank >= 0) logits[vocabulary_.blank] = kForbidden;
  }
  if (timestamps_) {
    apply_to_timestamps(tokens, logits);
  } else {
    std::fill(logits.begin() + vocabulary_.timestamp_begin, logits.end(), kForbidden);
  }
}

void Rules::apply_to_timestamps(const std::vector<int>& tokens, std::vector<float>& logits) const {
  const auto times = logits.begin() + vocabulary_.timestamp_begin;
  const auto is_timestamp = [&](int token) { return vocabulary_.is_timestamp(token); };
  const size_t count = tokens.size();
  const bool last = count >= 1 && is_timestamp(tokens[count - 1]);
  const bool before_last = count < 2 || is_timestamp(tokens[count - 2]);
  // they come in pairs, except directly before the end
  if (last && before_last) std::fill(times, logits.end(), kForbidden);
  if (last && !before_last) std::fill(logits.begin(), logits.begin() + vocabulary_.eot, kForbidden);
  // they never decrease, and a segment is not empty
  const auto latest = std::find_if(tokens.rbegin(), tokens.rend(), is_timestamp);
  if (latest != tokens.rend()) {
    const int first_allowed = *latest - vocabulary_.timestamp_begin + (last && !before_last ? 0 : 1);
    std::fill(times, times + first_allowed, kForbidden);
  }
  if (count == 0) {
    std::fill(logits.begin(), times, kForbidden);
    if (max_initial_ >= 0) std::fill(times + max_initial_ + 1, logits.end(), kForbidden);
  }
  // together more probable than any word: then one of them it is
  const float* data = logits.data();
  const float* begin = data + vocabulary_.timestamp_begin;
  if (log_sum_exp(begin, data + logits.size()) > *std::max_element(data, begin)) {
    std::fill(logits.begin(), times, kForbidden);
  }
}

void log_softmax(std::vector<float>& logits) {
  const float sum = log_sum_exp(logits.data(), logits.data() + logits.size());
  for (float& logit : logits) logit -= sum;
}
