#pragma once

#include <string>
#include <vector>

#include "whisper/search.h"

/** A timestamp is 20 ms, as is a frame of the encoder; other frames are 10 ms. */
constexpr int64_t kFramesPerTimestamp = 2;

/** A window's accepted decoding and what it was judged by. */
struct WindowResult {
  Decoding decoding;
  std::string text;
  float temperature = 0;
  float compression_ratio = 0;
  float no_speech_prob = 0;
};

/** A piece of a window between two timestamps; [first, last) of its tokens. Frames of 10 ms from the window's
 * start. */
struct Slice {
  size_t first;
  size_t last;
  int64_t start_frame;
  int64_t end_frame;
};

/** How a window's tokens divide into segments, and where the next window begins. */
struct Division {
  std::vector<Slice> slices;
  int64_t next_frame;
};

/**
 * Decodes at rising temperatures until the text is neither repetitive nor improbable; silence needs no second
 * attempt. Source: decode_with_fallback in OpenAI's whisper/transcribe.py.
 */
WindowResult decode_with_fallback(const SearchContext& context, float no_speech_prob, std::mt19937& random);

/** Whether the window is silent: its text is not to be taken. Source: transcribe.py. */
bool is_silent(const WindowResult& result, const RunOptions& options);

/**
 * Divides `tokens` at pairs of timestamps. `frames`: how many of the window hold audio. A window that ends
 * with one timestamp is done to its end; after a pair, the next one begins at the pair. Source:
 * transcribe.py.
 */
Division divide(const std::vector<int>& tokens, const Vocabulary& vocabulary, int64_t frames);
