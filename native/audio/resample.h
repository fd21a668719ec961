#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/**
 * Band-limited resampling of one channel to 16 kHz: windowed sinc, polyphase. What has that rate passes
 * unchanged. The result is the same however the samples are divided among the calls of add(), and comes
 * up to 3.2 ms late (at 8 kHz; less at higher rates), which finish() makes up for. One thread at a time.
 */
class SincResampler {
 public:
  explicit SincResampler(int rate);
  /** Appends what the samples make to `out`. */
  void add(const float* samples, size_t count, std::vector<float>& out);
  /** Appends the rest, so that as much comes out as went in. */
  void finish(std::vector<float>& out);

 private:
  void produce(std::vector<float>& out);

  int64_t step_;    // input position advances by step_ / phases_ per output sample
  int64_t phases_;  // both reduced
  size_t reach_;    // input samples on each side of an output sample
  size_t rows_;     // of the table: phases, or fewer with the nearest taken
  std::vector<float> table_;
  std::vector<float> input_;
  int64_t position_ = 0;  // of the next output, in input samples * phases_, from input_[reach_]
  int64_t taken_ = 0;
  int64_t produced_ = 0;
};
