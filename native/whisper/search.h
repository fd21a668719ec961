#pragma once

#include <atomic>
#include <functional>
#include <random>
#include <vector>

#include "engine/session.h"
#include "whisper/options.h"
#include "whisper/rules.h"

/** What was decoded from a window at one temperature. */
struct Decoding {
  /** After the prompt, without the end-of-text token. */
  std::vector<int> tokens;
  /** Of each token, at temperature 1, among what the rules allow. */
  std::vector<float> logprobs;
  /** Sum over the tokens and the end-of-text token, divided by their number. */
  float avg_logprob = 0;
};

/** Who is told how the decoding of a window goes on; both may be empty. */
struct SearchListener {
  /** An attempt begins, 0 being the first: the tokens of the one before do not count. */
  std::function<void(int attempt, float temperature)> attempt;
  /** A token that this attempt's result will have; with beams, text that all have, and timestamps as the best
   * one has them by then. */
  std::function<void(int token, float logprob)> token;
};

/** Everything that a window is decoded with. Borrows what it points to. */
struct SearchContext {
  Session& session;
  const Rules& rules;
  const RunOptions& options;
  const std::atomic<bool>& cancelled;
  /** Tokens before the decoded ones: previous text, start of transcript, language, task. */
  const std::vector<int>& prompt;
  const SearchListener& listener;
};

/**
 * Decodes the window that the session has encoded. At temperature 0 by beam search (greedily when beam_size
 * is 1), above by sampling best_of candidates with `random`; the best by log-probability over length is
 * returned. Throws Error cancelled between two steps. Source: DecodingTask, GreedyDecoder, BeamSearchDecoder
 * and MaximumLikelihoodRanker of OpenAI's whisper/decoding.py.
 */
Decoding search(const SearchContext& context, float temperature, std::mt19937& random);
