#include "audio/resample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "audio/audio.h"

namespace {

constexpr double kPi = 3.14159265358979323846;
// Zero crossings on each side and shape of the Kaiser window: 90 dB down in the stop band, flat to 90 % of
// the pass band.
constexpr double kCrossings = 24;
constexpr double kBeta = 9;
constexpr double kCutoff = 0.96;
// Beyond this the nearest row of the table serves; its error is below that of 16-bit samples.
constexpr int64_t kMaxRows = 1024;

/** Modified Bessel function of the first kind, order 0. */
double bessel(double x) {
  double sum = 1;
  double term = 1;
  for (int k = 1; term > sum * 1e-12; k++) {
    term *= (x / 2 / k) * (x / 2 / k);
    sum += term;
  }
  return sum;
}

double sinc(double x) {
  return std::fabs(x) < 1e-9 ? 1 : std::sin(kPi * x) / (kPi * x);
}

}  // namespace

SincResampler::SincResampler(int rate) {
  const int64_t common = std::gcd(rate, kSampleRate);
  step_ = rate / common;
  phases_ = kSampleRate / common;
  // Going down, the filter removes what 16 kHz cannot hold; going up, the images.
  const double bandwidth = kCutoff * std::min(1.0, static_cast<double>(phases_) / static_cast<double>(step_));
  reach_ = static_cast<size_t>(std::ceil(kCrossings / bandwidth));
  rows_ = static_cast<size_t>(std::min(phases_, kMaxRows));
  const size_t taps = 2 * reach_;
  table_.resize(rows_ * taps);
  for (size_t row = 0; row < rows_; row++) {
    float* const coefficients = table_.data() + row * taps;
    double sum = 0;
    for (size_t tap = 0; tap < taps; tap++) {
      const double offset = static_cast<double>(tap) - static_cast<double>(reach_) + 1 -
                            static_cast<double>(row) / static_cast<double>(rows_);
      const double edge = std::min(1.0, std::fabs(offset) / static_cast<double>(reach_));
      const double value = sinc(offset * bandwidth) * bessel(kBeta * std::sqrt(1 - edge * edge));
      coefficients[tap] = static_cast<float>(value);
      sum += value;
    }
    for (size_t tap = 0; tap < taps; tap++) coefficients[tap] /= static_cast<float>(sum);
  }
  input_.assign(reach_, 0.0f);
}

void SincResampler::add(const float* samples, size_t count, std::vector<float>& out) {
  if (step_ == phases_) {
    out.insert(out.end(), samples, samples + count);
    return;
  }
  input_.insert(input_.end(), samples, samples + count);
  taken_ += static_cast<int64_t>(count);
  produce(out);
}

void SincResampler::finish(std::vector<float>& out) {
  if (step_ == phases_) return;
  const int64_t total = taken_ * phases_ / step_;
  input_.insert(input_.end(), reach_ + 1, 0.0f);
  const size_t begin = out.size();
  const int64_t before = produced_;
  produce(out);
  out.resize(std::min(out.size(), begin + static_cast<size_t>(std::max<int64_t>(total - before, 0))));
}

void SincResampler::produce(std::vector<float>& out) {
  const size_t taps = 2 * reach_;
  for (;;) {
    const auto base = static_cast<size_t>(position_ / phases_);
    if (base + taps + 1 > input_.size()) break;
    const auto phase = static_cast<size_t>(position_ % phases_) * rows_ / static_cast<size_t>(phases_);
    const float* const coefficients = table_.data() + phase * taps;
    // The tap at reach_ - 1 stands on the input sample at reach_ + base.
    const float* const window = input_.data() + base + 1;
    float sums[8] = {};
    size_t tap = 0;
    for (; tap + 8 <= taps; tap += 8) {
      for (size_t lane = 0; lane < 8; lane++) sums[lane] += window[tap + lane] * coefficients[tap + lane];
    }
    for (; tap < taps; tap++) sums[0] += window[tap] * coefficients[tap];
    out.push_back(std::accumulate(std::begin(sums), std::end(sums), 0.0f));
    position_ += step_;
    produced_++;
  }
  const size_t used = std::min(static_cast<size_t>(position_ / phases_), input_.size());
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
  position_ -= static_cast<int64_t>(used) * phases_;
}
