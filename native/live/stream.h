#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audio/resample.h"
#include "live/energy.h"
#include "whisper/silero.h"

/**
 * Audio that still comes, at 16 kHz, and how probably each frame of it is speech. Times count from its first
 * sample. What was appended can be read up to 3.2 ms before its end (the resampler's delay). One thread at a
 * time.
 */
class Stream {
 public:
  static constexpr int64_t kFrameMs = 32;

  /** Of samples at `rate`. `vad_model`: Silero's weights, or "": Energy judges. Throws Error io, bad_model.
   */
  Stream(int rate, const std::string& vad_model);

  /** Signed 16-bit little-endian samples. An odd byte waits for its other half. */
  void append(const uint8_t* bytes, size_t size);
  /** Frames that are complete and not judged. */
  size_t unjudged() const { return (begin_ + samples_.size() - judged_) / Silero::kFrame; }
  /** Probabilities of the next frames, oldest first, at most so many. Throws Error internal. */
  std::vector<float> judge(size_t most);
  /** Where the last frame that was judged ends. */
  int64_t judged_ms() const { return static_cast<int64_t>(judged_ / Silero::kFrame) * kFrameMs; }
  /** A copy of what there is between two times. */
  std::vector<float> cut(int64_t from_ms, int64_t to_ms) const;
  /** Frees what lies before, as soon as it is judged. */
  void forget(int64_t before_ms);

 private:
  void trim();

  int rate_;
  std::optional<SincResampler> resampler_;
  std::optional<Silero> silero_;
  Energy energy_;
  std::optional<uint8_t> half_;  // of a sample
  std::vector<float> incoming_;
  // 16 kHz samples from the beginning: the first that is kept, the first not judged, the first not forgotten
  size_t begin_ = 0;
  size_t judged_ = 0;
  size_t forgotten_ = 0;
  std::vector<float> samples_;
};
