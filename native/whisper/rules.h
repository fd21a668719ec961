#pragma once

#include <vector>

#include "whisper/options.h"
#include "whisper/upstream.h"

/**
 * What may come next: sets the logits of forbidden tokens to minus infinity. Source: the LogitFilters of
 * OpenAI's whisper/decoding.py (SuppressBlank, SuppressTokens, ApplyTimestampRules).
 */
class Rules {
 public:
  Rules(const Vocabulary& vocabulary, const RunOptions& options);

  /** `tokens`: what was decoded after the prompt so far. `logits`: vocabulary.size floats, changed in place.
   */
  void apply(const std::vector<int>& tokens, std::vector<float>& logits) const;

 private:
  void apply_to_timestamps(const std::vector<int>& tokens, std::vector<float>& logits) const;

  const Vocabulary& vocabulary_;
  std::vector<int> suppressed_;
  bool suppress_blank_;
  bool timestamps_;
  /** Largest first timestamp, in steps; negative: no limit. */
  int max_initial_;
};

/** Turns logits into log-probabilities in place; minus infinity stays. */
void log_softmax(std::vector<float>& logits);
