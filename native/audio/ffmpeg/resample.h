/** Frames of libav to the rows of a Collector, at 16 kHz. */
#pragma once

extern "C" {
#include <libavutil/frame.h>
#include <libswresample/swresample.h>
}

#include <memory>
#include <vector>

#include "audio/decoder.h"

struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreeSwr {
  void operator()(SwrContext* swr) const { swr_free(&swr); }
};
using FramePtr = std::unique_ptr<AVFrame, FreeFrame>;

/** Resamples a stream whose sample rate, channels and sample format may change on the way. */
class Resampler {
 public:
  explicit Resampler(Collector& collector) : collector_(collector) {}

  /** Throws unsupported_format, corrupt_audio, audio_too_long, cancelled. */
  void add(const AVFrame& frame);
  /** Only after `add`. */
  void add_silence(double seconds);
  /** Passes on the rest. */
  void finish();

 private:
  void open(const AVFrame& frame, int channels);
  void convert(const uint8_t** data, int samples);

  Collector& collector_;
  std::unique_ptr<SwrContext, FreeSwr> swr_;
  int rate_ = 0;
  int channels_ = 0;
  int format_ = -1;
  std::vector<std::vector<float>> rows_;
};
