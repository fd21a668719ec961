/**
 * What audio.cc shares with the decoder of this build: ffmpeg/ when CMake finds FFmpeg's libraries, else
 * builtin/. Private to native/audio/.
 */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "audio/audio.h"
#include "error.h"

/** Plausible limits of a recording; whatever claims more is refused as unsupported_format. */
constexpr int kMinRate = 1000;
constexpr int kMaxRate = 768000;
constexpr int kMaxChannels = 64;

/** The bytes to decode, from a file or from memory, without the ID3v2 tags in front of them. One thread. */
class Source {
 public:
  /** Opens a regular file. Throws io. */
  explicit Source(const std::string& path);
  /** Borrows the bytes. */
  Source(const uint8_t* data, size_t size);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  int64_t size() const { return end_ - begin_; }
  int64_t position() const { return position_ - begin_; }
  /** Reads up to `size` bytes; 0 at the end, -1 after a failure, which `check` reports. */
  int64_t read(uint8_t* to, size_t size) noexcept;
  /** Reads until `size` bytes are there or no more come. */
  size_t read_all(uint8_t* to, size_t size) noexcept;
  /** Goes to an offset from the start, at most to the end; false when it lies outside. */
  bool seek(int64_t offset) noexcept;
  /** Throws io when a read has failed. */
  void check() const;

 private:
  void skip_tags() noexcept;

  int file_ = -1;
  const uint8_t* data_ = nullptr;
  int64_t begin_ = 0;
  int64_t end_ = 0;
  int64_t position_ = 0;
  int failure_ = 0;
};

/** Takes decoded samples, enforces what every decoder must enforce, and makes the Audio. One thread. */
class Collector {
 public:
  /** `bytes`: size of the source; it bounds what is reserved for a declared duration. */
  Collector(const DecodeOptions& options, const std::atomic<bool>& cancelled, int64_t bytes);

  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  /** Throws cancelled. */
  void check() const;
  /** Fixes the number of rows for a recording of so many channels: all of them, or one that is their mean. */
  void start(int channels);
  /** 0 before `start`. */
  int rows() const { return static_cast<int>(audio_.channels.size()); }
  /** The duration that the header declares, where it does. */
  void declare(double seconds);
  /** Whether the recording may go on at this time. */
  bool expects(double seconds) const { return declared_ <= 0 || seconds <= declared_; }
  /** The recording was present up to here, also where nothing had to be decoded (a gap in its timestamps). */
  void reach(double seconds);
  /** A packet that could not be decoded was left out. */
  void skip() { skipped_++; }
  /** Appends samples at 16 kHz to each row; not finite ones become 0. Throws audio_too_long, cancelled. */
  void append(const float* const* rows, size_t samples);
  /** The result. Throws corrupt_audio, audio_too_short. */
  Audio finish(const std::string& format);

 private:
  void merge_channels();

  const DecodeOptions options_;
  const std::atomic<bool>& cancelled_;
  const size_t max_samples_;
  const size_t max_reserve_;
  Audio audio_;
  double declared_ = 0;
  double reached_ = 0;
  int64_t appended_ = 0;
  int64_t skipped_ = 0;
};

/** Throws unsupported_format when no recording of speech looks like this. */
void check_plausible(int rate, int channels);

/** The decoder of this build. Throws as decode_file does. */
Audio decode(Source& source, Collector& collector);
