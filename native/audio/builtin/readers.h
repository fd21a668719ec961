/** The built-in decoders' readers, over miniaudio and stb_vorbis. */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

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
