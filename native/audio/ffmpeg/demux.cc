#include "audio/ffmpeg/demux.h"

extern "C" {
#include <libavutil/avstring.h>
#include <libavutil/opt.h>
}

#include <cstring>
#include <string>

const char kDecoders[] =
    "aac,aac_latm,ac3,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,alac,amrnb,amrwb,dca,eac3,flac,gsm_ms,mp1,mp1float,"
    "mp2,mp2float,mp3,"
    "mp3float,opus,pcm_alaw,pcm_bluray,pcm_dvd,pcm_f32be,pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,"
    "pcm_s16le,"
    "pcm_s24be,pcm_s24le,pcm_s32be,pcm_s32le,pcm_s8,pcm_u8,vorbis";

namespace {

// Containers of sound and of video with sound. Left out: whatever refers to other files (playlists, concat,
// SDP), images, subtitles, raw streams without a header, and the formats of games.
constexpr char kContainers[] =
    "aac,aiff,amr,au,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,w64,wav";

// av_probe_input_buffer2 gives less to a few bytes that happen to look like a frame header.
constexpr int kMinProbeScore = AVPROBE_SCORE_RETRY;
constexpr unsigned kProbeBytes = 1 << 20;
constexpr int kBufferBytes = 1 << 16;
constexpr int kMaxStreams = 100;

#if LIBAVFORMAT_VERSION_MAJOR < 59
using InputFormat = AVInputFormat;
#else
using InputFormat = const AVInputFormat;
#endif

[[noreturn]] void fail(const char* code, const std::string& message) {
  throw Error(code, message);
}

int refuse_open(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EPERM);
}

bool is(const uint8_t* id, const char* name) {
  return std::memcmp(id, name, 4) == 0;
}

uint32_t little_endian(const uint8_t* bytes) {
  return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8 | static_cast<uint32_t>(bytes[2]) << 16 |
         static_cast<uint32_t>(bytes[3]) << 24;
}

/**
 * What the data chunk of a WAV file declares, or 0: libav forgets it when the file is shorter. A header
 * written before the length was known holds 0 or a number near 2 or 4 GiB. Leaves the source at its start.
 */
double wav_seconds(Source& source) {
  constexpr uint32_t kUnknownLength = 0x7FFF0000;
  uint8_t head[20];
  double bytes_per_second = 0;
  double result = 0;
  if (source.read(head, 12) == 12 && is(head, "RIFF") && is(head + 8, "WAVE")) {
    while (source.read(head, 8) == 8) {
      const uint32_t size = little_endian(head + 4);
      const int64_t next = source.position() + size + (size & 1);
      if (is(head, "data")) {
        if (bytes_per_second > 0 && size < kUnknownLength) result = size / bytes_per_second;
        break;
      }
      if (is(head, "fmt ") && source.read(head, 12) == 12) bytes_per_second = little_endian(head + 8);
      if (!source.seek(next)) break;
    }
  }
  source.seek(0);
  return result;
}

}  // namespace

int Demuxer::read_input(void* opaque, uint8_t* to, int size) {
  const auto& input = *static_cast<Input*>(opaque);
  if (input.collector.cancelled()) return AVERROR_EXIT;
  const int64_t got = input.source.read(to, static_cast<size_t>(size));
  if (got < 0) return AVERROR(EIO);
  return got == 0 ? AVERROR_EOF : static_cast<int>(got);
}

int64_t Demuxer::seek_input(void* opaque, int64_t offset, int whence) {
  Source& source = static_cast<Input*>(opaque)->source;
  whence &= ~AVSEEK_FORCE;
  if (whence == AVSEEK_SIZE) return source.size();
  if (whence == SEEK_CUR) offset += source.position();
  if (whence == SEEK_END) offset += source.size();
  return source.seek(offset) ? offset : AVERROR(EINVAL);
}

int Demuxer::is_cancelled(void* opaque) {
  return static_cast<Input*>(opaque)->collector.cancelled() ? 1 : 0;
}

std::unique_ptr<AVIOContext, FreeIo> Demuxer::open_io(Input& input) {
  auto* buffer = static_cast<uint8_t*>(allocated(av_malloc(kBufferBytes)));
  auto* io = avio_alloc_context(buffer, kBufferBytes, 0, &input, read_input, nullptr, seek_input);
  if (io == nullptr) av_free(buffer);
  return std::unique_ptr<AVIOContext, FreeIo>(allocated(io));
}

Demuxer::Demuxer(Source& source, Collector& collector)
    : input_{source, collector},
      collector_(collector),
      wav_seconds_(wav_seconds(source)),
      io_(open_io(input_)) {
  open();
  choose_stream();
}

bool Demuxer::read(AVPacket* packet) {
  int status = 0;
  while ((status = av_read_frame(format_.get(), packet)) >= 0) {
    collector_.check();
    const AVStream& from = *format_->streams[packet->stream_index];
    if (packet->pts != AV_NOPTS_VALUE) {
      collector_.reach((static_cast<double>(packet->pts) + static_cast<double>(packet->duration)) *
                       av_q2d(from.time_base));
    }
    if (packet->stream_index == stream_) return true;
    av_packet_unref(packet);
  }
  check(status);
  return false;
}

/** Throws what neither the container nor its content is to blame for. */
void Demuxer::check(int status) const {
  collector_.check();
  input_.source.check();
  if (status == AVERROR(ENOMEM)) throw std::bad_alloc();
}

void Demuxer::open() {
  InputFormat* container = nullptr;
  const int score = av_probe_input_buffer2(io_.get(), &container, "", nullptr, 0, kProbeBytes);
  if (score < 0) check(score);
  const bool found = score >= kMinProbeScore && container != nullptr;
  if (!found || av_match_list(container->name, kContainers, ',') == 0) {
    fail("unsupported_format", std::string("The file is not a recording in a format that can be read") +
                                   (found ? std::string(": it looks like ") + container->name : ""));
  }
  AVFormatContext* format = allocated(avformat_alloc_context());
  format->pb = io_.get();
  format->io_open = refuse_open;
  format->interrupt_callback = {is_cancelled, &input_};
  format->max_streams = kMaxStreams;
  av_opt_set(format, "format_whitelist", kContainers, 0);
  av_opt_set(format, "codec_whitelist", kDecoders, 0);
  av_opt_set(format, "protocol_whitelist", "", 0);
  // Frees the context when it fails.
  int status = avformat_open_input(&format, "", container, nullptr);
  if (status >= 0) {
    format_.reset(format);
    remember_durations();
    status = avformat_find_stream_info(format, nullptr);
  }
  check(status);
  if (status < 0) fail("corrupt_audio", "The recording is damaged or incomplete");
}

// Before avformat_find_stream_info, which mixes them with estimates.
void Demuxer::remember_durations() {
  if (format_->duration != AV_NOPTS_VALUE) {
    file_seconds_ = static_cast<double>(format_->duration) / AV_TIME_BASE;
  }
  for (unsigned i = 0; i < format_->nb_streams; i++) {
    const AVStream& stream = *format_->streams[i];
    const bool known = stream.duration != AV_NOPTS_VALUE && stream.duration > 0;
    stream_seconds_.push_back(known ? static_cast<double>(stream.duration) * av_q2d(stream.time_base) : 0);
  }
}

void Demuxer::choose_stream() {
  stream_ = av_find_best_stream(format_.get(), AVMEDIA_TYPE_AUDIO, -1, -1, nullptr, 0);
  if (stream_ < 0) fail("no_audio", "The file has no audio track");
  const std::string container = format_->iformat->name;
  timed_ = container == "matroska,webm" || container == "mov,mp4,m4a,3gp,3g2,mj2";
  const bool wav = container == "wav";
  const auto index = static_cast<size_t>(stream_);
  double declared = wav ? wav_seconds_ : index < stream_seconds_.size() ? stream_seconds_[index] : 0;
  // A duration of the whole file says how far its longest stream goes, so all of them are followed.
  const bool follow_all = !wav && declared <= 0 && file_seconds_ > 0;
  if (follow_all) declared = file_seconds_;
  for (unsigned i = 0; i < format_->nb_streams; i++) {
    const bool needed = follow_all || static_cast<int>(i) == stream_;
    format_->streams[i]->discard = needed ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
  }
  collector_.declare(declared);
}
