#pragma once

#include <vector>

#include "whisper/options.h"
#include "whisper/upstream.h"

/** What may come next, and how probable it is. */
struct Scores {
  /** One for each token; minus infinity: not allowed. */
  std::vector<float> logits;
  /** Logarithm of the sum of their exponentials. */
  float log_sum = 0;

  float logprob(int token) const { return logits[static_cast<size_t>(token)] - log_sum; }
  int best() const;
  /** The `count` most probable tokens that are allowed, best first. */
  std::vector<int> best(size_t count) const;
};

/** Of a row of logits as the decoder gives it, with everything allowed. */
Scores scores_of(const float* logits, int count);

/**
 * Which tokens may come next. Source: the LogitFilters of OpenAI's whisper/decoding.py (SuppressBlank,
 * SuppressTokens, ApplyTimestampRules).
 */
class Rules {
 public:
  Rules(const Vocabulary& vocabulary, const RunOptions& options);

  /** `tokens`: what was decoded after the prompt so far. `logits`: vocabulary.size floats. */
  Scores apply(const std::vector<int>& tokens, const float* logits) const;

 private:
  void apply_to_timestamps(const std::vector<int>& tokens, std::vector<float>& logits) const;

  const Vocabulary& vocabulary_;
  std::vector<int> suppressed_;
  bool suppress_blank_;
  bool timestamps_;
  /** Largest first timestamp, in steps; negative: no limit. */
  int max_initial_;
};
