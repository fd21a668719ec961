#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "whisper/weights.h"

/**
 * Log-mel windows of a recording, computed as they are asked for: the first one of a long file is there at
 * once, and memory does not grow with the file. Values are clamped 80 dB under the loudest that was heard so
 * far; OpenAI's log_mel_spectrogram (whisper/audio.py) takes the loudest of the whole file. One thread.
 */
class Spectrogram {
 public:
  /** Borrows 16 kHz samples. */
  Spectrogram(const Weights& weights, const float* samples, size_t count)
      : weights_(weights), samples_(samples), count_(count) {}

  /** The 30 s from `frame` (10 ms each) on: [mels][3000]. */
  std::vector<float> window(int64_t frame);

 private:
  const Weights& weights_;
  const float* const samples_;
  const size_t count_;
  float loudest_ = -10;
};
