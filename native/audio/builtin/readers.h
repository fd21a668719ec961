/** The built-in decoders' parts: readers over miniaudio and stb_vorbis, and a resampler. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "audio/decoder.h"

/** One opened recording as interleaved float frames. */
class FrameReader {
 public:
  virtual ~FrameReader() = default;
  /** Reads up to `frames` frames; 0 at the end. `rate` and `channels` are those of the frames just read. */
  virtual size_t read(float* to, size_t frames) = 0;

  int rate = 0;
  int channels = 0;
  /** As libav names the codec. */
  std::string format;
  /** As the header says; 0 when it does not. */
  double declared_seconds = 0;
};

/** Each gives nullptr when the source, read from its start, is not of the format. It must outlive the reader.
 */
std::unique_ptr<FrameReader> open_wav(Source& source);
std::unique_ptr<FrameReader> open_flac(Source& source);
std::unique_ptr<FrameReader> open_mp3(Source& source);
std::unique_ptr<FrameReader> open_vorbis(Source& source);

/** Band-limited resampling of one channel to 16 kHz: windowed sinc, polyphase. What has that rate passes
 * unchanged. */
class SincResampler {
 public:
  explicit SincResampler(int rate);
  /** Appends what the samples make to `out`. */
  void add(const float* samples, size_t count, std::vector<float>& out);
  /** Appends the rest, so that as much comes out as went in. */
  void finish(std::vector<float>& out);

 private:
  void produce(std::vector<float>& out);

  int64_t step_;    // input position advances by step_ / phases_ per output sample
  int64_t phases_;  // both reduced
  size_t reach_;    // input samples on each side of an output sample
  size_t rows_;     // of the table: phases, or fewer with the nearest taken
  std::vector<float> table_;
  std::vector<float> input_;
  int64_t position_ = 0;  // of the next output, in input samples * phases_, from input_[reach_]
  int64_t taken_ = 0;
  int64_t produced_ = 0;
};
