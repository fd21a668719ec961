#include "whisper/speech.h"

#include <algorithm>

#include "audio/audio.h"
#include "whisper/silero.h"

namespace {

/** A pause this long is where speech over the maximum may be cut: the value of silero-vad. */
constexpr size_t kCutPause = samples_in(98);
constexpr size_t kInsertedSilence = samples_in(100);

void pad(std::vector<Speech>& speech, size_t padding, size_t samples) {
  for (size_t i = 0; i < speech.size(); ++i) {
    const size_t before = i == 0 ? 0 : speech[i - 1].end;
    const size_t after = i + 1 == speech.size() ? samples : speech[i + 1].begin;
    // two neighbours share the gap when it is too short for both
    const size_t room = i == 0 ? speech[i].begin : speech[i].begin - before;
    speech[i].begin -= std::min(padding, room);
    const size_t gap = after - speech[i].end;
    speech[i].end += i + 1 == speech.size() ? std::min(padding, gap) : std::min(padding, gap / 2);
  }
}

}  // namespace

std::vector<Speech> find_speech(const std::vector<float>& probabilities, size_t samples_per_frame,
                                size_t samples, const RunOptions& options) {
  const float end_threshold = std::max(options.vad_threshold - 0.15F, 0.01F);
  const size_t min_speech = samples_in(options.vad_min_speech_ms);
  const size_t min_silence = samples_in(options.vad_min_silence_ms);
  const size_t padding = samples_in(options.vad_pad_ms);
  const size_t max_speech = options.vad_max_speech_ms == 0 ? SIZE_MAX : samples_in(options.vad_max_speech_ms);

  std::vector<Speech> speech;
  const auto keep = [&](size_t begin, size_t end) {
    if (end - begin >= min_speech) speech.push_back({begin, end});
  };

  bool speaking = false;
  bool pausing = false;
  size_t begin = 0;
  size_t pause = 0;       // where the present pause began
  size_t cut = 0;         // where the last pause worth cutting at began; 0 = none
  size_t cut_resume = 0;  // where speech went on after it
  for (size_t i = 0; i < probabilities.size(); ++i) {
    const size_t at = i * samples_per_frame;
    const float probability = probabilities[i];
    if (!speaking) {
      if (probability < options.vad_threshold) continue;
      speaking = true;
      pausing = false;
      cut = 0;
      begin = at;
      continue;
    }
    if (probability >= options.vad_threshold && pausing) {
      if (at - pause > kCutPause) {
        cut = pause;
        cut_resume = at;
      }
      pausing = false;
    }
    if (at - begin >= max_speech) {
      if (cut > begin) {
        keep(begin, cut);
        begin = cut_resume;
      } else {
        keep(begin, at);
        begin = at;
      }
      cut = 0;
    }
    if (probability < end_threshold) {
      if (!pausing) {
        pausing = true;
        pause = at;
      }
      if (at - pause >= min_silence) {
        keep(begin, pause);
        speaking = false;
      }
    }
  }
  if (speaking) keep(begin, samples);
  pad(speech, padding, samples);
  return speech;
}

std::vector<Speech> detect_speech(const float* samples, size_t count, const RunOptions& options,
                                  Session& session) {
  Silero silero(options.vad_model);
  std::vector<float> probabilities;
  probabilities.reserve(count / Silero::kFrame + 1);
  const size_t step = size_t{30} * kSampleRate / Silero::kFrame * Silero::kFrame;
  size_t at = 0;
  session.work([&] {
    const size_t part = std::min(step, count - at);
    silero.judge(samples + at, part, probabilities);
    at += part;
    return at == count;
  });
  return find_speech(probabilities, Silero::kFrame, count, options);
}

Condensed::Condensed(const float* samples, const std::vector<Speech>& speech) {
  for (const auto& [begin, end] : speech) {
    if (!samples_.empty()) samples_.insert(samples_.end(), kInsertedSilence, 0.0F);
    stretches_.push_back({ms_of(samples_.size()), ms_of(begin), ms_of(end - begin)});
    samples_.insert(samples_.end(), samples + begin, samples + end);
  }
}

int64_t Condensed::start_ms(int64_t condensed_ms) const {
  for (const Stretch& stretch : stretches_) {
    if (condensed_ms < stretch.condensed_ms + stretch.length_ms) {
      return stretch.original_ms + std::max<int64_t>(condensed_ms - stretch.condensed_ms, 0);
    }
  }
  return stretches_.back().original_ms + stretches_.back().length_ms;
}

int64_t Condensed::end_ms(int64_t condensed_ms) const {
  for (auto stretch = stretches_.rbegin(); stretch != stretches_.rend(); ++stretch) {
    if (condensed_ms > stretch->condensed_ms) {
      return stretch->original_ms + std::min(condensed_ms - stretch->condensed_ms, stretch->length_ms);
    }
  }
  return stretches_.front().original_ms;
}
