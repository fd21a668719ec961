#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

struct whisper_vad_context;

/**
 * Silero's network (whisper.cpp's, on the CPU, one thread: the graph of a frame is too small for more). It
 * carries on what it heard from frame to frame: an object for each stream. One thread at a time.
 */
class Silero {
 public:
  /** Samples of a frame at 16 kHz: 32 ms. Silero v5 and v6 take no others. */
  static constexpr size_t kFrame = 512;

  /** Reads weights in whisper.cpp's format; blocks. Throws Error io, bad_model. */
  explicit Silero(const std::string& path);

  /**
   * Appends to `probabilities`, 0..1, how probably each frame is speech. `count` samples: whole frames; what
   * is left over at the end of a recording counts as one, padded with silence. Throws Error internal.
   */
  void judge(const float* samples, size_t count, std::vector<float>& probabilities);

 private:
  struct Deleter {
    void operator()(whisper_vad_context* context) const;
  };
  std::unique_ptr<whisper_vad_context, Deleter> context_;
};
