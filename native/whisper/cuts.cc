#include "whisper/cuts.h"

#include <limits>

#include "audio/audio.h"

namespace {

constexpr size_t kLongest = size_t{30} * kSampleRate;
constexpr size_t kShortest = size_t{20} * kSampleRate;
/** 10 ms: places for a cut; and what has to be quiet around it, 100 ms on either side. */
constexpr size_t kStep = kSampleRate / 100;
constexpr size_t kStepsAround = 10;

double energy_of(const float* samples) {
  double sum = 0;
  for (size_t i = 0; i < kStep; ++i) sum += static_cast<double>(samples[i]) * static_cast<double>(samples[i]);
  return sum;
}

/** The middle of the quietest fifth of a second that lies in [begin, end). */
size_t quietest(const float* samples, size_t begin, size_t end) {
  constexpr size_t width = 2 * kStepsAround;
  std::vector<double> energies;
  for (size_t at = begin; at + kStep <= end; at += kStep) energies.push_back(energy_of(samples + at));
  double sum = 0;
  double least = std::numeric_limits<double>::infinity();
  size_t best = 0;
  for (size_t i = 0; i < energies.size(); ++i) {
    sum += energies[i];
    if (i >= width) sum -= energies[i - width];
    // of equal ones the last: longer pieces, fewer windows
    if (i + 1 < width || sum > least) continue;
    least = sum;
    best = i + 1 - kStepsAround;
  }
  return begin + best * kStep;
}

}  // namespace

std::vector<size_t> cut_at_silences(const float* samples, size_t count) {
  std::vector<size_t> cuts = {0};
  while (count - cuts.back() > kLongest) {
    cuts.push_back(quietest(samples, cuts.back() + kShortest, cuts.back() + kLongest));
  }
  cuts.push_back(count);
  return cuts;
}
