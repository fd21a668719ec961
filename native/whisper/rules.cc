#include "whisper/rules.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compute/kernels.h"

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();
constexpr int64_t kMsPerTimestamp = 20;

/** Logarithm of the sum of the exponentials; minus infinity if all are. */
float log_sum_exp(const float* logits, int count) {
  thread_local std::vector<float> exponentials;
  const float highest = kernels().maximum(logits, count);
  if (highest == kForbidden) return kForbidden;
  exponentials.assign(logits, logits + count);
  return highest + std::log(kernels().exponentials(exponentials.data(), count, 1, highest));
}

/** Logarithm of the sum of two numbers, given theirs. */
float log_add(float a, float b) {
  const float highest = std::max(a, b);
  return highest == kForbidden ? kForbidden : highest + std::log1p(std::exp(std::min(a, b) - highest));
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

int Scores::best() const {
  return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::vector<int> Scores::best(size_t count) const {
  std::vector<int> best;
  float lowest = kForbidden;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] <= lowest) continue;
    if (best.size() == count) best.pop_back();
    const auto at = std::find_if(best.begin(), best.end(),
                                 [&](int other) { return logits[static_cast<size_t>(other)] < logits[i]; });
    best.insert(at, static_cast<int>(i));
    if (best.size() == count) lowest = logits[static_cast<size_t>(best.back())];
  }
  return best;
}

Scores scores_of(const float* logits, int count) {
  return {{logits, logits + count}, log_sum_exp(logits, count)};
}

Scores Rules::apply(const std::vector<int>& tokens, const float* row) const {
  const int times = vocabulary_.timestamp_begin;
  Scores scores{{row, row + vocabulary_.size}, 0};
  auto& logits = scores.logits;
  for (const int token : suppressed_) logits[static_cast<size_t>(token)] = kForbidden;
  if (suppress_blank_ && tokens.empty()) {
    logits[static_cast<size_t>(vocabulary_.eot)] = kForbidden;
    if (vocabulary_.blank >= 0) logits[static_cast<size_t>(vocabulary_.blank)] = kForbidden;
  }
  if (!timestamps_) {
    std::fill(logits.begin() + times, logits.end(), kForbidden);
    scores.log_sum = log_sum_exp(logits.data(), times);
    return scores;
  }
  apply_to_timestamps(tokens, logits);
  // timestamps together more probable than any word: then one of them it is
  scores.log_sum = log_sum_exp(logits.data() + times, vocabulary_.size - times);
  if (scores.log_sum > kernels().maximum(logits.data(), times)) {
    std::fill(logits.begin(), logits.begin() + times, kForbidden);
  } else {
    scores.log_sum = log_add(scores.log_sum, log_sum_exp(logits.data(), times));
  }
  return scores;
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
}
