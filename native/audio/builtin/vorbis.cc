// stb_vorbis behind FrameReader: ogg-vorbis. It is included as a system header, since its warnings are not
// ours. Version 1.22 trusts its input in places; what follows keeps hostile files away from those, and all
// its memory in one arena.
#ifndef NDEBUG
#define NDEBUG
#endif
#include <cstddef>

struct stb_vorbis;
// stb_vorbis computes sizes as size_t and hands them to functions that take int: these overloads catch them
// before they are cut.
static void* setup_malloc(stb_vorbis* vorbis, size_t size);
static void* setup_temp_malloc(stb_vorbis* vorbis, size_t size);

#define STB_VORBIS_NO_STDIO
#define STB_VORBIS_NO_PUSHDATA_API
#define STB_VORBIS_NO_INTEGER_CONVERSION
#include <stb_vorbis.c>
// It leaves these defined.
#undef C
#undef L
#undef R

#include <algorithm>
#include <cstring>
#include <limits>
#include <mutex>

#include "audio/builtin/readers.h"

// Real headers need less than one.
static constexpr size_t kArenaBytes = size_t{8} << 20;

static void* setup_malloc(stb_vorbis* vorbis, size_t size) {
  return size <= kArenaBytes ? setup_malloc(vorbis, static_cast<int>(size)) : nullptr;
}

static void* setup_temp_malloc(stb_vorbis* vorbis, size_t size) {
  return size <= kArenaBytes ? setup_temp_malloc(vorbis, static_cast<int>(size)) : nullptr;
}

namespace {

/** stb_vorbis needs the whole file in memory, and reads one logical stream: a chained file has several. */
class VorbisReader final : public FrameReader {
 public:
  bool open(Source& source) {
    if (source.size() > std::numeric_limits<int>::max()) return false;
    bytes_.resize(static_cast<size_t>(source.size()));
    if (source.read_all(bytes_.data(), bytes_.size()) != bytes_.size()) return false;
    format = "vorbis";
    return next();
  }

  size_t read(float* to, size_t frames) override {
    while (vorbis_ != nullptr) {
      const int got = stb_vorbis_get_samples_float_interleaved(vorbis_, channels, to,
                                                               static_cast<int>(frames) * channels);
      if (got > 0) return static_cast<size_t>(got);
      next();
    }
    return 0;
  }

 private:
  /** Opens the next logical stream. */
  bool next() {
    vorbis_ = nullptr;
    if (begin_ >= bytes_.size()) return false;
    const size_t begin = begin_;
    begin_ = link_end(begin);
    if (!blank_comments(begin, begin_) || !start(bytes_.data() + begin, begin_ - begin)) return false;
    vorbis_ = &state_;
    rate = static_cast<int>(std::min(state_.sample_rate, static_cast<unsigned>(kMaxRate) + 1));
    channels = state_.channels;
    return true;
  }

  /** What stb_vorbis_open_memory does, with a look at the codebooks before the first packet is decoded. */
  bool start(uint8_t* data, size_t size) {
    const stb_vorbis_alloc memory = {arena_.data(), static_cast<int>(arena_.size())};
    vorbis_init(&state_, &memory);
    state_.stream = data;
    state_.stream_start = data;
    state_.stream_end = data + size;
    state_.stream_len = static_cast<uint32>(size);
    {
      // It fills a table that all streams share.
      static std::mutex mutex;
      const std::lock_guard<std::mutex> lock(mutex);
      if (!start_decoder(&state_)) return false;
    }
    if (!check_codebooks()) return false;
    vorbis_pump_first_frame(&state_);
    return true;
  }

  /** The length of the page at `at`, or 0 when there is none (RFC 3533, section 6). */
  size_t page_size(size_t at) const {
    if (bytes_.size() < at + 27 || std::memcmp(bytes_.data() + at, "OggS", 4) != 0) return 0;
    const size_t segments = bytes_[at + 26];
    if (bytes_.size() < at + 27 + segments) return 0;
    size_t size = 27 + segments;
    for (size_t i = 0; i < segments; i++) size += bytes_[at + 27 + i];
    return size;
  }

  /** Where the next logical stream begins, or the file's end. */
  size_t link_end(size_t begin) const {
    for (size_t at = begin; at < bytes_.size();) {
      const bool first = bytes_.size() > at + 5 && (bytes_[at + 5] & 2) != 0;
      const size_t size = page_size(at);
      if (size == 0) break;
      if (first && at > begin) return at;
      at += size;
    }
    return bytes_.size();
  }

  /**
   * Makes the comments empty: vendor length, count of comments, framing bit. stb_vorbis 1.22 writes out of
   * bounds when they lie about their lengths (CVE-2023-45675 to 45681), and nobody reads them here.
   */
  bool blank_comments(size_t begin, size_t end) {
    const size_t first = page_size(begin);
    const size_t page = begin + first;
    if (first == 0 || page_size(page) == 0) return false;
    const size_t packet = page + 27 + bytes_[page + 26];
    constexpr uint8_t kEmpty[] = {0, 0, 0, 0, 0, 0, 0, 0, 1};
    if (bytes_[page + 26] == 0 || bytes_[page + 27] < 7 + sizeof kEmpty || packet + 7 + sizeof kEmpty > end)
      return false;
    std::copy(std::begin(kEmpty), std::end(kEmpty), bytes_.begin() + static_cast<std::ptrdiff_t>(packet) + 7);
    return true;
  }

  /** Two more ways for a header to make it read out of bounds: CVE-2023-45682 and products beyond 32 bits. */
  bool check_codebooks() {
    for (int i = 0; i < state_.codebook_count; i++) {
      Codebook& book = state_.codebooks[i];
      if (book.sorted_values == nullptr) book.sparse = 0;
      const int64_t values = static_cast<int64_t>(book.entries) * book.dimensions;
      if (book.lookup_type != 0 && values > std::numeric_limits<int>::max()) return false;
    }
    return true;
  }

  std::vector<char> arena_ = std::vector<char>(kArenaBytes);
  std::vector<uint8_t> bytes_;
  size_t begin_ = 0;
  stb_vorbis state_ = {};
  stb_vorbis* vorbis_ = nullptr;  // &state_ while a stream is open
};

}  // namespace

std::unique_ptr<FrameReader> open_vorbis(Source& source) {
  auto reader = std::make_unique<VorbisReader>();
  return reader->open(source) ? std::move(reader) : nullptr;
}
