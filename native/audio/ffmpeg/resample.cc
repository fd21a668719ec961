#include "audio/ffmpeg/resample.h"

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
}

#include <algorithm>
#include <new>

namespace {

// AVChannelLayout came with FFmpeg 5.1.
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(57, 24, 100)
int channels_of(const AVFrame& frame) {
  return frame.ch_layout.nb_channels;
}

void set_channels(SwrContext* swr, int from, int to) {
  AVChannelLayout layout = {};
  layout.nb_channels = from;
  av_opt_set_chlayout(swr, "in_chlayout", &layout, 0);
  layout.nb_channels = to;
  av_opt_set_chlayout(swr, "out_chlayout", &layout, 0);
}
#else
int channels_of(const AVFrame& frame) {
  return frame.channels;
}

void set_channels(SwrContext* swr, int from, int to) {
  av_opt_set_int(swr, "ich", from, 0);
  av_opt_set_int(swr, "och", to, 0);
}
#endif

}  // namespace

void Resampler::add(const AVFrame& frame) {
  const int channels = channels_of(frame);
  if (swr_ == nullptr || frame.sample_rate != rate_ || channels != channels_ || frame.format != format_) {
    finish();
    open(frame, channels);
  }
  // The cast is what swr_convert asked for before FFmpeg 7.
  convert(const_cast<const uint8_t**>(frame.extended_data), frame.nb_samples);
}

void Resampler::add_silence(double seconds) {
  finish();
  const std::vector<float> silence(static_cast<size_t>(seconds * kSampleRate), 0.0f);
  const std::vector<const float*> rows(rows_.size(), silence.data());
  collector_.append(rows.data(), silence.size());
}

void Resampler::finish() {
  if (swr_ != nullptr) convert(nullptr, 0);
  swr_.reset();
}

void Resampler::open(const AVFrame& frame, int channels) {
  check_plausible(frame.sample_rate, channels);
  if (collector_.rows() == 0) collector_.start(channels);
  const int rows = collector_.rows();
  rate_ = frame.sample_rate;
  channels_ = channels;
  format_ = frame.format;
  rows_.resize(static_cast<size_t>(rows));
  swr_.reset(swr_alloc());
  if (swr_ == nullptr) throw std::bad_alloc();
  set_channels(swr_.get(), channels, rows);
  av_opt_set_int(swr_.get(), "in_sample_rate", rate_, 0);
  av_opt_set_int(swr_.get(), "out_sample_rate", kSampleRate, 0);
  av_opt_set_sample_fmt(swr_.get(), "in_sample_fmt", static_cast<AVSampleFormat>(format_), 0);
  av_opt_set_sample_fmt(swr_.get(), "out_sample_fmt", AV_SAMPLE_FMT_FLTP, 0);
  int status = 0;
  if (rows != channels) {
    // Every row is the mean: nothing clips, no channel is lost, and no layout has to be believed.
    const std::vector<double> matrix(static_cast<size_t>(rows * channels), 1.0 / channels);
    status = swr_set_matrix(swr_.get(), matrix.data(), channels);
  }
  if (status < 0 || swr_init(swr_.get()) < 0) {
    throw Error("unsupported_format", "Audio with " + std::to_string(channels) + " channels at " +
                                          std::to_string(rate_) + " Hz cannot be resampled");
  }
}

/** `data` nullptr: the rest that the resampler holds. */
void Resampler::convert(const uint8_t** data, int samples) {
  const int space = swr_get_out_samples(swr_.get(), samples);
  if (space < 0) throw std::bad_alloc();
  std::vector<float*> out;
  for (auto& row : rows_) {
    row.resize(std::max(row.size(), static_cast<size_t>(space)));
    out.push_back(row.data());
  }
  const int got = swr_convert(swr_.get(), reinterpret_cast<uint8_t**>(out.data()), space, data, samples);
  if (got < 0) throw std::bad_alloc();
  collector_.append(out.data(), static_cast<size_t>(got));
}
