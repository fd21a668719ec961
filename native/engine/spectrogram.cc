#include "engine/spectrogram.h"

#include <algorithm>

#include "whisper/upstream.h"

std::vector<float> Spectrogram::window(int64_t frame) {
  std::vector<float> mel = upstream::log_mel(*weights_.context(), samples_, count_, frame);
  loudest_ = std::max(loudest_, *std::max_element(mel.begin(), mel.end()));
  const float floor = loudest_ - 8;
  for (float& value : mel) value = (std::max(value, floor) + 4) / 4;
  return mel;
}
