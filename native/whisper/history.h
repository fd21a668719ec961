#pragma once

#include <vector>

#include "whisper/options.h"
#include "whisper/weights.h"
#include "whisper/window.h"

/**
 * What stands before a window: the caller's prompt and the text of earlier windows, as far as there is room
 * and the options want it. Source: the prompt handling of OpenAI's whisper/transcribe.py.
 */
class History {
 public:
  History(const Weights& weights, const RunOptions& options);

  /** The tokens to decode first: <|startofprev|> and previous text, if any, then `start`. */
  std::vector<int> prompt(const std::vector<int>& start) const;
  /** Takes the tokens of a segment. */
  void add(const std::vector<int>& tokens, const Slice& slice);
  /** A text made at a high temperature is not carried on: it may be wrong in ways that spread. */
  void end_window(float temperature);

 private:
  const RunOptions& options_;
  const int previous_;
  /** How many tokens there is room for. */
  const size_t room_;
  std::vector<int> initial_;
  /** The prompt, unless it is carried, then all text. */
  std::vector<int> tokens_;
  size_t reset_since_ = 0;
};
