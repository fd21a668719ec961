// What both decoders share: access to the bytes, limits, and what becomes of the channels.
#include "audio/audio.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <system_error>

#include "audio/decoder.h"

namespace {

// whisper.cpp refuses less than 100 ms.
constexpr size_t kMinSamples = kSampleRate / 10;

// Beyond this, squares in the spectrum overflow: such a sample is as meaningless as NaN.
constexpr float kMaxSample = 1e10f;

// No codec for speech takes less than 8 kbit/s for long: a header that promises more samples than this is not
// believed.
constexpr int64_t kSamplesPerByte = kSampleRate / 1000;

std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", value);
  return text;
}

double to_seconds(size_t samples) {
  return static_cast<double>(samples) / kSampleRate;
}

Error io_error(int code) {
  return Error("io",
               "Cannot read the recording: " + std::error_code(code, std::generic_category()).message());
}

float peak(const std::vector<float>& row) {
  float result = 0;
  for (const float sample : row) result = std::max(result, std::fabs(sample));
  return result;
}

bool similar(const std::vector<float>& a, const std::vector<float>& b, float tolerance) {
  return std::equal(a.begin(), a.end(), b.begin(),
                    [tolerance](float x, float y) { return std::fabs(x - y) <= tolerance; });
}

Audio decode_source(Source& source, const DecodeOptions& options, const std::atomic<bool>& cancelled) {
  Collector collector(options, cancelled, source.size());
  collector.check();
  if (source.size() == 0) throw Error("unsupported_format", "The recording is empty: it has 0 bytes");
  return decode(source, collector);
}

}  // namespace

Source::Source(const std::string& path) {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file_ < 0) throw io_error(errno);
  struct stat info = {};
  const bool found = ::fstat(file_, &info) == 0;
  if (!found || !S_ISREG(info.st_mode)) {
    const int code = found ? EINVAL : errno;
    ::close(file_);
    throw found ? Error("io", "Cannot read the recording: Not a regular file") : io_error(code);
  }
  end_ = info.st_size;
  skip_tags();
}

Source::Source(const uint8_t* data, size_t size) : data_(data), end_(static_cast<int64_t>(size)) {
  skip_tags();
}

Source::~Source() {
  if (file_ >= 0) ::close(file_);
}

int64_t Source::read(uint8_t* to, size_t size) noexcept {
  const int64_t left = end_ - position_;
  const size_t wanted = std::min(size, static_cast<size_t>(std::max<int64_t>(left, 0)));
  if (wanted == 0 || failure_ != 0) return failure_ != 0 ? -1 : 0;
  if (data_ != nullptr) {
    std::memcpy(to, data_ + position_, wanted);
    position_ += static_cast<int64_t>(wanted);
    return static_cast<int64_t>(wanted);
  }
  ssize_t got = 0;
  do {
    got = ::pread(file_, to, wanted, static_cast<off_t>(position_));
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    failure_ = errno;
    return -1;
  }
  position_ += got;
  return got;
}

size_t Source::read_all(uint8_t* to, size_t size) noexcept {
  size_t total = 0;
  while (total < size) {
    const int64_t got = read(to + total, size - total);
    if (got <= 0) break;
    total += static_cast<size_t>(got);
  }
  return total;
}

bool Source::seek(int64_t offset) noexcept {
  if (offset < 0 || offset > size()) return false;
  position_ = begin_ + offset;
  return true;
}

void Source::check() const {
  if (failure_ != 0) throw io_error(failure_);
}

// Cover art makes tags of several megabytes, more than any probe looks at.
// https://id3.org/id3v2.4.0-structure, 3.1
void Source::skip_tags() noexcept {
  uint8_t head[10];
  while (read(head, sizeof head) == sizeof head && std::memcmp(head, "ID3", 3) == 0 &&
         ((head[6] | head[7] | head[8] | head[9]) & 0x80) == 0) {
    const int64_t length = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9];
    const int64_t footer = (head[5] & 0x10) != 0 ? 10 : 0;
    if (!seek(10 + length + footer)) break;
    begin_ = position_;
  }
  position_ = begin_;
}

Collector::Collector(const DecodeOptions& options, const std::atomic<bool>& cancelled, int64_t bytes)
    : options_(options),
      cancelled_(cancelled),
      max_samples_(options.max_duration_ms > 0
                       ? static_cast<size_t>(options.max_duration_ms) * (kSampleRate / 1000)
                       : std::numeric_limits<size_t>::max() / sizeof(float)),
      max_reserve_(std::min(max_samples_, static_cast<size_t>(bytes * kSamplesPerByte))) {}

void Collector::check() const {
  if (cancelled()) throw Error("cancelled", "Decoding was cancelled");
}

void Collector::start(int channels) {
  const bool split = options_.split_channels && channels <= options_.max_channels;
  audio_.channels.resize(split ? static_cast<size_t>(channels) : 1);
  if (declared_ <= 0) return;
  const double samples = std::min(declared_ * kSampleRate, static_cast<double>(max_reserve_));
  for (auto& row : audio_.channels) row.reserve(static_cast<size_t>(samples));
}

void Collector::declare(double duration) {
  declared_ = duration;
}

void Collector::reach(double duration) {
  reached_ = std::max(reached_, duration);
}

void Collector::append(const float* const* rows, size_t samples) {
  check();
  appended_++;
  if (samples > max_samples_ - audio_.samples()) {
    throw Error("audio_too_long", "The recording is longer than " +
                                      seconds(static_cast<double>(options_.max_duration_ms) / 1000) +
                                      ", the limit of this server");
  }
  for (size_t i = 0; i < audio_.channels.size(); i++) {
    auto& row = audio_.channels[i];
    const size_t begin = row.size();
    row.insert(row.end(), rows[i], rows[i] + samples);
    std::replace_if(
        row.begin() + static_cast<std::ptrdiff_t>(begin), row.end(),
        [](float sample) { return !(std::fabs(sample) < kMaxSample); }, 0.0f);
  }
}

Audio Collector::finish(const std::string& format) {
  check();
  if (skipped_ > appended_) {
    throw Error("corrupt_audio", appended_ == 0
                                     ? "The recording's " + format + " audio cannot be decoded"
                                     : "Most of the recording's " + format + " audio cannot be decoded");
  }
  const double length = std::max(reached_, to_seconds(audio_.samples()));
  if (length < declared_ - std::max(1.0, declared_ / 20)) {
    throw Error("corrupt_audio", "The recording breaks off after " + seconds(length) + " of the " +
                                     seconds(declared_) + " that its header declares");
  }
  if (audio_.samples() < kMinSamples) {
    throw Error("audio_too_short", "Expected a recording of at least 100 ms but received one of " +
                                       std::to_string(audio_.duration_ms()) + " ms");
  }
  merge_channels();
  audio_.format = format;
  return std::move(audio_);
}

// A channel that says the same as an earlier one, or nothing at all, within 80 dB, would only be transcribed
// twice or invented.
void Collector::merge_channels() {
  if (rows() < 2) return;
  float loudest = 0;
  for (const auto& row : audio_.channels) loudest = std::max(loudest, peak(row));
  const float tolerance = loudest * 1e-4f;
  std::vector<std::vector<float>> kept;
  for (auto& row : audio_.channels) {
    const bool repeated = std::any_of(
        kept.begin(), kept.end(),
        [&row, tolerance](const std::vector<float>& other) { return similar(row, other, tolerance); });
    if (peak(row) > tolerance && !repeated) kept.push_back(std::move(row));
  }
  if (kept.empty()) kept.push_back(std::move(audio_.channels.front()));
  audio_.channels = std::move(kept);
}

void check_plausible(int rate, int channels) {
  if (rate < kMinRate || rate > kMaxRate) {
    throw Error("unsupported_format", "Expected a sample rate of " + std::to_string(kMinRate) + " to " +
                                          std::to_string(kMaxRate) + " Hz but received " +
                                          std::to_string(rate));
  }
  if (channels < 1 || channels > kMaxChannels) {
    throw Error("unsupported_format", "Expected 1 to " + std::to_string(kMaxChannels) +
                                          " channels but received " + std::to_string(channels));
  }
}

Audio decode_file(const std::string& path, const DecodeOptions& options, const std::atomic<bool>& cancelled) {
  Source source(path);
  return decode_source(source, options, cancelled);
}

Audio decode_bytes(const uint8_t* data, size_t size, const DecodeOptions& options,
                   const std::atomic<bool>& cancelled) {
  Source source(data, size);
  return decode_source(source, options, cancelled);
}
