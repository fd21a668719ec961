#include "live/energy.h"

#include <algorithm>
#include <cmath>

namespace {

// dB of full scale
constexpr float kSilence = -60;
constexpr float kFirstFloor = -55;
// above the floor, in dB: where the probability is 0.5, and what multiplies the odds by e
constexpr float kMiddle = 10;
constexpr float kSlope = 2;
// Share of a new frame in the level: speech is noticed in its first frames, and gaps within words are
// bridged.
constexpr float kRise = 0.6F;
constexpr float kFall = 0.3F;

float level_of(const float* samples, size_t count) {
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += samples[i];
    squares += static_cast<double>(samples[i]) * samples[i];
  }
  const auto length = static_cast<double>(count);
  const double mean = sum / length;  // microphones have an offset, which is no sound
  const double variance = std::max(squares / length - mean * mean, 1e-12);
  return std::max(static_cast<float>(10 * std::log10(variance)), kSilence);
}

}  // namespace

Energy::Energy() : level_(kSilence) {
  levels_.fill(kFirstFloor);
}

float Energy::judge(const float* samples, size_t count) {
  const float now = level_of(samples, count);
  level_ += (now > level_ ? kRise : kFall) * (now - level_);
  levels_[next_] = level_;
  next_ = (next_ + 1) % kMemory;
  const float floor = *std::min_element(levels_.begin(), levels_.end());
  return 1 / (1 + std::exp((kMiddle - (level_ - floor)) / kSlope));
}
