#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/** What whisper takes: samples per second. */
constexpr int kSampleRate = 16000;

/** Duration of 16 kHz samples, whole milliseconds. */
constexpr int64_t ms_of(size_t samples) {
  return static_cast<int64_t>(samples) * 1000 / kSampleRate;
}

/** How many 16 kHz samples so many milliseconds are. */
constexpr size_t samples_in(int64_t ms) {
  return static_cast<size_t>(ms) * (kSampleRate / 1000);
}

/** 16 kHz float samples, one row per channel, all rows equally long. Immutable once shared between threads.
 */
struct Audio {
  std::vector<std::vector<float>> channels;
  /** Codec as found in the file, e.g. "mp3", "pcm_s16le". */
  std::string format;

  size_t samples() const { return channels.empty() ? 0 : channels.front().size(); }
  int64_t duration_ms() const { return ms_of(samples()); }
};

struct DecodeOptions {
  /** Keep up to max_channels apart (identical channels become one); else mix down to one. */
  bool split_channels = false;
  int max_channels = 8;
  /** Enforced while decoding. */
  int64_t max_duration_ms = 0;
};

/**
 * Decodes the first audio stream of a file to 16 kHz. Blocks; call it on a thread of its own. Reads
 * `cancelled` at least once a second of audio. Throws Error: unsupported_format, no_audio, corrupt_audio,
 * audio_too_long, audio_too_short, io, cancelled.
 */
Audio decode_file(const std::string& path, const DecodeOptions& options, const std::atomic<bool>& cancelled);

/** The same for bytes in memory, which must stay unchanged until it returns. */
Audio decode_bytes(const uint8_t* data, size_t size, const DecodeOptions& options,
                   const std::atomic<bool>& cancelled);

/** libavformat's version, or "" when the built-in decoders do the work. */
std::string ffmpeg_version();
