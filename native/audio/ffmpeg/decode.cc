// Decoding with FFmpeg's libraries, 4.4 and later.
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
}

#include <memory>
#include <mutex>
#include <string>

#include "audio/ffmpeg/demux.h"
#include "audio/ffmpeg/resample.h"
#include "log.h"

namespace {

// Of one allocation inside libav: the index of 50 hours of AAC takes 200 MB; a lying header asks for
// gigabytes.
constexpr size_t kMaxAllocation = size_t{256} << 20;

// Shorter gaps in the timestamps are jitter, longer ones a new clock.
constexpr double kMinGapSeconds = 0.25;
constexpr double kMaxGapSeconds = 60;

struct FreeCodec {
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
using PacketPtr = std::unique_ptr<AVPacket, FreePacket>;

/** Decodes the packets of one stream. */
class Decoder {
 public:
  /** `timed`: the timestamps are those of the container. */
  Decoder(const AVStream& stream, bool timed, Collector& collector)
      : timed_(timed),
        collector_(collector),
        resampler_(collector),
        frame_(allocated(av_frame_alloc())),
        name_(avcodec_get_name(stream.codecpar->codec_id)) {
    const AVCodec* decoder = avcodec_find_decoder(stream.codecpar->codec_id);
    if (decoder == nullptr || av_match_list(decoder->name, kDecoders, ',') == 0) {
      throw Error("unsupported_format", "Audio of the codec \"" + name_ + "\" is not supported");
    }
    codec_.reset(allocated(avcodec_alloc_context3(decoder)));
    codec_->thread_count = 1;
    codec_->pkt_timebase = stream.time_base;
    if (avcodec_parameters_to_context(codec_.get(), stream.codecpar) < 0 ||
        avcodec_open2(codec_.get(), decoder, nullptr) < 0) {
      throw Error("corrupt_audio", "The recording's " + name_ + " audio cannot be decoded");
    }
  }

  const std::string& name() const { return name_; }

  /** Damaged packets are left out, as players do. nullptr: what the decoder and the resampler still hold. */
  void decode(const AVPacket* packet) {
    int status = avcodec_send_packet(codec_.get(), packet);
    while (status >= 0 && (status = avcodec_receive_frame(codec_.get(), frame_.get())) >= 0) {
      fill_gap();
      resampler_.add(*frame_);
      av_frame_unref(frame_.get());
    }
    if (status == AVERROR(ENOMEM)) throw std::bad_alloc();
    if (status != AVERROR(EAGAIN) && status != AVERROR_EOF) collector_.skip();
    if (packet == nullptr) resampler_.finish();
  }

 private:
  /** What was lost or never sent becomes silence, so that what follows keeps its time. */
  void fill_gap() {
    if (!timed_ || frame_->pts == AV_NOPTS_VALUE || frame_->sample_rate <= 0) return;
    const double begin = static_cast<double>(frame_->pts) * av_q2d(codec_->pkt_timebase);
    const double gap = begin - end_;
    const bool filled = started_ && gap > kMinGapSeconds && gap < kMaxGapSeconds && collector_.expects(begin);
    if (filled) resampler_.add_silence(gap);
    started_ = true;
    end_ = begin + static_cast<double>(frame_->nb_samples) / frame_->sample_rate;
  }

  const bool timed_;
  Collector& collector_;
  Resampler resampler_;
  FramePtr frame_;
  std::string name_;
  std::unique_ptr<AVCodecContext, FreeCodec> codec_;
  bool started_ = false;
  double end_ = 0;  // of the last frame, in seconds
};

/** A damaged file is its sender's affair, however loud libav is about it: detail, for us. */
void on_libav_log(void* object, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_WARNING) return;
  char line[512];
  int prefix = 1;
  av_log_format_line2(object, level, format, arguments, line, sizeof line, &prefix);
  std::string text = line;
  text.erase(text.find_last_not_of(" \r\n") + 1);
  log_line(LogLevel::debug, text);
}

void set_up_libav() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_max_alloc(kMaxAllocation);
    av_log_set_callback(on_libav_log);
  });
}

}  // namespace

std::string ffmpeg_version() {
  const unsigned version = avformat_version();
  return std::to_string(AV_VERSION_MAJOR(version)) + "." + std::to_string(AV_VERSION_MINOR(version)) + "." +
         std::to_string(AV_VERSION_MICRO(version));
}

Audio decode(Source& source, Collector& collector) {
  set_up_libav();
  Demuxer demuxer(source, collector);
  Decoder decoder(demuxer.stream(), demuxer.timed(), collector);
  const PacketPtr packet(allocated(av_packet_alloc()));
  while (demuxer.read(packet.get())) {
    decoder.decode(packet.get());
    av_packet_unref(packet.get());
  }
  decoder.decode(nullptr);
  return collector.finish(decoder.name());
}
