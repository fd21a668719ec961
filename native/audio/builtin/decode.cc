// Decoding without FFmpeg's libraries: wav, mp3, flac and ogg-vorbis. Other formats are named, with what to
// install.
#include "audio/builtin/readers.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "audio/resample.h"

using namespace std::string_view_literals;

namespace {

constexpr size_t kFrames = 4096;

struct Magic {
  size_t offset;
  std::string_view bytes;
  const char* name;
};

// Recognised to be refused by name.
constexpr Magic kUnreadable[] = {
    {4, "ftyp"sv, "MP4 or M4A"},
    {0, "\x1A\x45\xDF\xA3"sv, "WebM or Matroska"},
    {28, "OpusHead"sv, "Ogg Opus"},
    {0, "OggS"sv, "such Ogg"},
    {0, "\xFF\xF1"sv, "AAC"},
    {0, "\xFF\xF9"sv, "AAC"},
    {0, "ADIF"sv, "AAC"},
    {0, "#!AMR"sv, "AMR"},
    {0, "caff"sv, "CAF"},
    {0, ".snd"sv, "AU"},
    {0, "\0\0\1\xBA"sv, "MPEG video"},
};

/** The start of a file. */
struct Head {
  bool has(size_t offset, std::string_view magic) const {
    return offset <= size &&
           std::string_view(text() + offset, size - offset).substr(0, magic.size()) == magic;
  }
  const char* text() const { return reinterpret_cast<const char*>(bytes); }
  bool is_mp3() const {
    return size >= 2 && bytes[0] == 0xFF && (bytes[1] & 0xE0) == 0xE0 && (bytes[1] & 0x06) != 0;
  }

  uint8_t bytes[64] = {};
  size_t size = 0;
};

[[noreturn]] void refuse(const Head& head) {
  for (const Magic& magic : kUnreadable) {
    if (!head.has(magic.offset, magic.bytes)) continue;
    throw Error("unsupported_format", std::string("This server runs without FFmpeg's libraries, which ") +
                                          magic.name +
                                          " files need; whisper-api doctor, on its machine, says what to "
                                          "install. It reads wav, mp3, flac and "
                                          "ogg-vorbis");
  }
  throw Error("unsupported_format",
              "The file is not a recording in a format that can be read: wav, mp3, flac and "
              "ogg-vorbis");
}

std::unique_ptr<FrameReader> open(Source& source) {
  Head head;
  head.size = static_cast<size_t>(std::max<int64_t>(source.read(head.bytes, sizeof head.bytes), 0));
  source.check();
  source.seek(0);
  const bool riff = head.has(0, "RIFF") || head.has(0, "RIFX") || head.has(0, "RF64");
  const bool aiff = head.has(0, "FORM") && head.has(8, "AIF");
  std::unique_ptr<FrameReader> reader;
  bool certain = true;
  if ((riff && head.has(8, "WAVE")) || aiff || head.has(0, "riff\x2E\x91\xCF\x11")) {
    reader = open_wav(source);
  } else if (head.has(0, "fLaC")) {
    reader = open_flac(source);
  } else if (head.has(0, "OggS") && head.has(29, "vorbis")) {
    reader = open_vorbis(source);
  } else {
    certain = false;
    if (head.is_mp3()) reader = open_mp3(source);
  }
  source.check();
  if (reader != nullptr) return reader;
  if (!certain) refuse(head);
  throw Error("corrupt_audio",
              "The file is damaged, incomplete, or of a kind that only FFmpeg's libraries read");
}

/** Interleaved frames to the rows of a Collector. */
class Mixer {
 public:
  explicit Mixer(Collector& collector) : collector_(collector) {}

  void add(const float* frames, size_t count, int rate, int channels) {
    if (rate != rate_ || channels != channels_) {
      finish();
      check_plausible(rate, channels);
      if (collector_.rows() == 0) collector_.start(channels);
      rate_ = rate;
      channels_ = channels;
      resamplers_.assign(static_cast<size_t>(collector_.rows()), SincResampler(rate));
      rows_.resize(resamplers_.size());
    }
    const auto width = static_cast<size_t>(channels);
    const bool apart = rows_.size() == width;
    plane_.resize(count);
    for (size_t i = 0; i < rows_.size(); i++) {
      if (apart || i == 0) {
        for (size_t k = 0; k < count; k++) {
          float sum = 0;
          for (size_t c = 0; c < width && !apart; c++) sum += frames[k * width + c];
          plane_[k] = apart ? frames[k * width + i] : sum / static_cast<float>(channels);
        }
      }
      resamplers_[i].add(plane_.data(), count, rows_[i]);
    }
    pass_on();
  }

  void finish() {
    for (size_t i = 0; i < resamplers_.size(); i++) resamplers_[i].finish(rows_[i]);
    pass_on();
    resamplers_.clear();
  }

 private:
  void pass_on() {
    if (rows_.empty()) return;
    std::vector<const float*> data;
    for (const auto& row : rows_) data.push_back(row.data());
    collector_.append(data.data(), rows_.front().size());
    for (auto& row : rows_) row.clear();
  }

  Collector& collector_;
  int rate_ = 0;
  int channels_ = 0;
  std::vector<SincResampler> resamplers_;
  std::vector<float> plane_;
  std::vector<std::vector<float>> rows_;
};

}  // namespace

std::string ffmpeg_version() {
  return "";
}

Audio decode(Source& source, Collector& collector) {
  const auto reader = open(source);
  check_plausible(reader->rate, reader->channels);
  collector.declare(reader->declared_seconds);
  Mixer mixer(collector);
  std::vector<float> frames(kFrames * kMaxChannels);
  while (const size_t count = reader->read(frames.data(), kFrames)) {
    mixer.add(frames.data(), count, reader->rate, reader->channels);
  }
  source.check();
  mixer.finish();
  return collector.finish(reader->format);
}
