#include "live/stream.h"

#include <algorithm>

#include "audio/audio.h"

Stream::Stream(int rate, const std::string& vad_model) : rate_(rate) {
  if (!vad_model.empty()) silero_.emplace(vad_model);
}

void Stream::append(const uint8_t* bytes, size_t size) {
  // not in the constructor, which another thread may wait for: its table can take 15 ms
  if (!resampler_) resampler_.emplace(rate_);
  incoming_.clear();
  for (size_t i = 0; i < size; ++i) {
    if (half_) {
      const auto sample = static_cast<int16_t>(*half_ | bytes[i] << 8);
      incoming_.push_back(static_cast<float>(sample) / 32768);
      half_.reset();
    } else {
      half_ = bytes[i];
    }
  }
  resampler_->add(incoming_.data(), incoming_.size(), samples_);
}

std::vector<float> Stream::judge(size_t most) {
  std::vector<float> probabilities;
  const size_t frames = std::min(most, unjudged());
  if (frames == 0) return probabilities;
  const float* first = samples_.data() + (judged_ - begin_);
  if (silero_) {
    silero_->judge(first, frames * Silero::kFrame, probabilities);
  } else {
    for (size_t i = 0; i < frames; ++i) {
      probabilities.push_back(energy_.judge(first + i * Silero::kFrame, Silero::kFrame));
    }
  }
  judged_ += frames * Silero::kFrame;
  trim();
  return probabilities;
}

std::vector<float> Stream::cut(int64_t from_ms, int64_t to_ms) const {
  const auto at = [&](int64_t ms) {
    return samples_.begin() +
           static_cast<std::ptrdiff_t>(std::clamp(samples_in(ms), begin_, begin_ + samples_.size()) - begin_);
  };
  return {at(from_ms), at(to_ms)};
}

void Stream::forget(int64_t before_ms) {
  forgotten_ = std::max(forgotten_, samples_in(before_ms));
  trim();
}

void Stream::trim() {
  const size_t end = std::min({forgotten_, judged_, begin_ + samples_.size()});
  if (end <= begin_) return;
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(end - begin_));
  begin_ = end;
  if (samples_.size() < samples_.capacity() / 4) samples_.shrink_to_fit();
}
