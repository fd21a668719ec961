/** The packets of one recording's audio stream, through libavformat. */
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

#include <memory>
#include <new>
#include <vector>

#include "audio/decoder.h"

struct FreeIo {
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};
struct FreeFormat {
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
};

/** What libav returned, unless it had no memory. */
template <typename T>
T* allocated(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

/** Names of the decoders that may run, for av_match_list: only of audio. */
extern const char kDecoders[];

/** libav sees nothing but the bytes of the source: it opens no file and no URL. */
class Demuxer {
 public:
  /** Borrows both. Throws unsupported_format, no_audio, corrupt_audio, io, cancelled. */
  Demuxer(Source& source, Collector& collector);
  Demuxer(const Demuxer&) = delete;
  Demuxer& operator=(const Demuxer&) = delete;

  const AVStream& stream() const { return *format_->streams[stream_]; }
  /** The container gives packets their times; else libav counts or estimates them. */
  bool timed() const { return timed_; }
  /** The next packet of the stream; false at the end, which may come before the declared one. Throws io,
   * cancelled. */
  bool read(AVPacket* packet);

 private:
  /** What libav's callbacks get. */
  struct Input {
    Source& source;
    const Collector& collector;
  };

  static int read_input(void* opaque, uint8_t* to, int size);
  static int64_t seek_input(void* opaque, int64_t offset, int whence);
  static int is_cancelled(void* opaque);
  static std::unique_ptr<AVIOContext, FreeIo> open_io(Input& input);

  void check(int status) const;
  void open();
  void remember_durations();
  void choose_stream();

  Input input_;
  Collector& collector_;
  const double wav_seconds_;
  std::unique_ptr<AVIOContext, FreeIo> io_;
  std::unique_ptr<AVFormatContext, FreeFormat> format_;
  std::vector<double> stream_seconds_;
  double file_seconds_ = 0;
  int stream_ = -1;
  bool timed_ = false;
};
