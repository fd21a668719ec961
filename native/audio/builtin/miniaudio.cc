// miniaudio behind FrameReader: wav, flac, mp3. It is included as a system header, since its warnings are not
// ours; its decoders are declared only where it is implemented. Its assertions must not let a file stop the
// process.
#ifndef NDEBUG
#define NDEBUG
#endif
#define MA_DR_MP3_FLOAT_OUTPUT
#define MINIAUDIO_IMPLEMENTATION
#define MA_API static
#define MA_NO_DEVICE_IO
#define MA_NO_THREADING
#define MA_NO_ENCODING
#define MA_NO_GENERATION
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_NODE_GRAPH
#define MA_NO_ENGINE
#include <miniaudio.h>

#include <algorithm>

#include "audio/builtin/readers.h"

namespace {

// A header written before the length was known holds 0 or a number near 2 or 4 GiB.
constexpr ma_uint64 kUnknownLengthBytes = 0x7FFF0000;

size_t read_source(void* source, void* to, size_t size) {
  return static_cast<Source*>(source)->read_all(static_cast<uint8_t*>(to), size);
}

/** `origin` 0, 1, 2: from the start, from here, from the end. */
ma_bool32 seek_source(void* opaque, int offset, int origin) {
  Source& source = *static_cast<Source*>(opaque);
  const int64_t from = origin == 0 ? 0 : origin == 1 ? source.position() : source.size();
  return source.seek(from + offset) ? MA_TRUE : MA_FALSE;
}

ma_bool32 tell_source(void* source, ma_int64* position) {
  *position = static_cast<Source*>(source)->position();
  return MA_TRUE;
}

ma_bool32 seek_wav(void* s, int offset, ma_dr_wav_seek_origin origin) {
  return seek_source(s, offset, origin);
}
ma_bool32 seek_flac(void* s, int offset, ma_dr_flac_seek_origin origin) {
  return seek_source(s, offset, origin);
}
ma_bool32 seek_mp3(void* s, int offset, ma_dr_mp3_seek_origin origin) {
  return seek_source(s, offset, origin);
}

class WavReader final : public FrameReader {
 public:
  bool open(Source& source) {
    // Without a tell function it keeps the declared length, which the file may not have.
    if (!ma_dr_wav_init(&wav_, read_source, seek_wav, nullptr, &source, nullptr)) return false;
    opened_ = true;
    const auto position = static_cast<ma_uint64>(source.position());
    const auto size = static_cast<ma_uint64>(source.size());
    const ma_uint32 frame_bytes = ma_dr_wav_get_bytes_per_pcm_frame(&wav_);
    rate = static_cast<int>(wav_.sampleRate);
    channels = wav_.channels;
    format = name();
    if (wav_.bytesRemaining == 0 || wav_.bytesRemaining >= kUnknownLengthBytes) {
      wav_.bytesRemaining = size - position;
      wav_.dataChunkDataSize = wav_.bytesRemaining;
      wav_.totalPCMFrameCount = wav_.bytesRemaining / frame_bytes;
    } else {
      declared_seconds = static_cast<double>(wav_.totalPCMFrameCount) / rate;
    }
    return true;
  }
  ~WavReader() override {
    if (opened_) ma_dr_wav_uninit(&wav_);
  }

  size_t read(float* to, size_t frames) override {
    return static_cast<size_t>(ma_dr_wav_read_pcm_frames_f32(&wav_, frames, to));
  }

 private:
  std::string name() const {
    const bool big = wav_.container == ma_dr_wav_container_rifx || wav_.container == ma_dr_wav_container_aiff;
    const std::string bits = std::to_string(wav_.bitsPerSample);
    switch (wav_.translatedFormatTag) {
      case MA_DR_WAVE_FORMAT_PCM:
        return wav_.bitsPerSample == 8 ? "pcm_u8" : "pcm_s" + bits + (big ? "be" : "le");
      case MA_DR_WAVE_FORMAT_IEEE_FLOAT:
        return "pcm_f" + bits + (big ? "be" : "le");
      case MA_DR_WAVE_FORMAT_ALAW:
        return "pcm_alaw";
      case MA_DR_WAVE_FORMAT_MULAW:
        return "pcm_mulaw";
      case MA_DR_WAVE_FORMAT_ADPCM:
        return "adpcm_ms";
      case MA_DR_WAVE_FORMAT_DVI_ADPCM:
        return "adpcm_ima_wav";
      default:
        throw Error("unsupported_format", "WAV files with the codec " +
                                              std::to_string(wav_.translatedFormatTag) +
                                              " need FFmpeg's libraries, which this server runs without");
    }
  }

  ma_dr_wav wav_ = {};
  bool opened_ = false;
};

class FlacReader final : public FrameReader {
 public:
  explicit FlacReader(ma_dr_flac* flac) : flac_(flac) {
    rate = static_cast<int>(flac->sampleRate);
    channels = flac->channels;
    format = "flac";
    if (rate > 0) declared_seconds = static_cast<double>(flac->totalPCMFrameCount) / rate;
  }
  ~FlacReader() override { ma_dr_flac_close(flac_); }

  size_t read(float* to, size_t frames) override {
    return static_cast<size_t>(ma_dr_flac_read_pcm_frames_f32(flac_, frames, to));
  }

 private:
  ma_dr_flac* flac_;
};

class Mp3Reader final : public FrameReader {
 public:
  bool open(Source& source) {
    opened_ = ma_dr_mp3_init(&mp3_, read_source, seek_mp3, tell_source, nullptr, &source, nullptr);
    if (!opened_) return false;
    rate = static_cast<int>(mp3_.sampleRate);
    channels = static_cast<int>(mp3_.channels);
    format = "mp3";
    if (mp3_.totalPCMFrameCount != MA_UINT64_MAX && rate > 0) {
      declared_seconds = static_cast<double>(mp3_.totalPCMFrameCount) / rate;
    }
    return true;
  }
  ~Mp3Reader() override {
    if (opened_) ma_dr_mp3_uninit(&mp3_);
  }

  size_t read(float* to, size_t frames) override {
    ma_uint64 got = ma_dr_mp3_read_pcm_frames_f32(&mp3_, frames, to);
    if (got == 0 && mp3_.totalPCMFrameCount != MA_UINT64_MAX) {
      // The end of what the first header counts, but files are put together by appending: go on behind its
      // padding, which is a number of 12 bits.
      const auto padding = std::min<ma_uint64>(mp3_.paddingInPCMFrames, frames);
      mp3_.totalPCMFrameCount = MA_UINT64_MAX;
      if (ma_dr_mp3_read_pcm_frames_f32(&mp3_, padding, to) == padding) {
        got = ma_dr_mp3_read_pcm_frames_f32(&mp3_, frames, to);
      }
    }
    if (mp3_.mp3FrameChannels != mp3_.channels || mp3_.mp3FrameSampleRate != mp3_.sampleRate) {
      throw Error("unsupported_format",
                  "MP3 files that change their sample rate or channels on the way need FFmpeg's "
                  "libraries, which this server runs without");
    }
    return static_cast<size_t>(got);
  }

 private:
  ma_dr_mp3 mp3_ = {};
  bool opened_ = false;
};

template <typename Reader>
std::unique_ptr<FrameReader> opened(Source& source) {
  auto reader = std::make_unique<Reader>();
  return reader->open(source) ? std::move(reader) : nullptr;
}

}  // namespace

std::unique_ptr<FrameReader> open_wav(Source& source) {
  return opened<WavReader>(source);
}

std::unique_ptr<FrameReader> open_mp3(Source& source) {
  return opened<Mp3Reader>(source);
}

std::unique_ptr<FrameReader> open_flac(Source& source) {
  ma_dr_flac* const flac = ma_dr_flac_open(read_source, seek_flac, tell_source, &source, nullptr);
  return flac != nullptr ? std::make_unique<FlacReader>(flac) : nullptr;
}
