#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/session.h"
#include "whisper/options.h"

/** A stretch of speech, in samples of the recording: [begin, end). */
struct Speech {
  size_t begin;
  size_t end;
};

/**
 * Silero's hysteresis over frame probabilities: speech begins at the threshold and ends 0.15 under it, after
 * `vad_min_silence_ms`; shorter than `vad_min_speech_ms` does not count, longer than `vad_max_speech_ms` is
 * cut at its last pause; `vad_pad_ms` is added on both sides without overlap. Source: get_speech_timestamps,
 * silero-vad utils_vad.py.
 */
std::vector<Speech> find_speech(const std::vector<float>& probabilities, size_t samples_per_frame,
                                size_t samples, const RunOptions& options);

/**
 * Runs Silero (whisper.cpp's, on the CPU) over 16 kHz samples and returns the stretches of speech. The
 * session gives it turns to compute, 30 seconds of audio at a time. Throws Error bad_model, cancelled.
 */
std::vector<Speech> detect_speech(const float* samples, size_t count, const RunOptions& options,
                                  Session& session);

/** Speech alone, 100 ms of silence between stretches, and the way back to the recording's timeline. */
class Condensed {
 public:
  Condensed(const float* samples, const std::vector<Speech>& speech);

  const std::vector<float>& samples() const { return samples_; }
  /** Time in the recording of a time in samples(). In an inserted silence, a start moves on and an end moves
   * back. */
  int64_t start_ms(int64_t condensed_ms) const;
  int64_t end_ms(int64_t condensed_ms) const;

 private:
  struct Stretch {
    int64_t condensed_ms;
    int64_t original_ms;
    int64_t length_ms;
  };
  std::vector<float> samples_;
  std::vector<Stretch> stretches_;
};
