#include "whisper/word_times.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>
#include <string>

#include "audio/audio.h"

namespace {

constexpr int64_t kStepMs = 10;
constexpr size_t kStep = kSampleRate / 1000 * kStepMs;
/** A step sounds when it is louder than this part of the segment's loud steps. */
constexpr float kQuiet = 0.1F;
/** A shorter quiet stretch belongs to a sound: the closure before a plosive. */
constexpr size_t kPauseSteps = 15;

float weight_of(const std::string& bytes) {
  float weight = 0;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    const bool continuation = (byte & 0xc0) == 0x80;
    if (byte >= 0x80) {
      weight += continuation ? 0 : 1;
    } else if (std::isdigit(byte) != 0) {
      weight += 3;
    } else if (std::isalpha(byte) != 0) {
      weight += 1;
    }
  }
  return weight;
}

/** Times in milliseconds at which equal amounts of sound have passed: one entry per sounding step, then the
 * end. */
std::vector<int64_t> sounding_steps(const float* samples, size_t count, int64_t start_ms, int64_t end_ms) {
  std::vector<float> loudness;
  for (int64_t at = start_ms; at + kStepMs <= end_ms; at += kStepMs) {
    const size_t first = std::min(count, static_cast<size_t>(at) * (kSampleRate / 1000));
    const size_t last = std::min(count, first + kStep);
    float sum = 0;
    for (size_t i = first; i < last; ++i) sum += samples[i] * samples[i];
    loudness.push_back(std::sqrt(sum / static_cast<float>(kStep)));
  }
  std::vector<int64_t> steps;
  if (!loudness.empty()) {
    std::vector<float> sorted = loudness;
    const auto loud = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() * 9 / 10);
    std::nth_element(sorted.begin(), loud, sorted.end());
    const auto is_quiet = [&](float each) { return each <= *loud * kQuiet; };
    for (auto at = loudness.begin(); at != loudness.end();) {
      const bool quiet = is_quiet(*at);
      const auto next = std::find_if(at, loudness.end(), [&](float each) { return is_quiet(each) != quiet; });
      const bool pause = quiet && static_cast<size_t>(next - at) >= kPauseSteps;
      for (; at != next; ++at) {
        if (!pause) steps.push_back(start_ms + (at - loudness.begin()) * kStepMs);
      }
    }
  }
  if (steps.empty()) steps.push_back(start_ms);
  steps.push_back(end_ms);
  return steps;
}

}  // namespace

void time_tokens(std::vector<Token>& tokens, const float* samples, size_t count, int64_t start_ms,
                 int64_t end_ms) {
  std::vector<float> weights(tokens.size());
  std::transform(tokens.begin(), tokens.end(), weights.begin(),
                 [](const Token& token) { return weight_of(token.bytes); });
  const float total = std::accumulate(weights.begin(), weights.end(), 0.0F);
  const auto steps = sounding_steps(samples, count, start_ms, end_ms);
  const auto time_at = [&](float passed) {
    if (passed <= 0 || total == 0) return steps.front();
    const auto index = static_cast<size_t>(passed / total * static_cast<float>(steps.size() - 1));
    return steps[std::min(index, steps.size() - 1)];
  };
  float passed = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i].start_ms = time_at(passed);
    passed += weights[i];
    tokens[i].end_ms = time_at(passed);
  }
}
