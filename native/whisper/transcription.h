#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/session.h"
#include "whisper/alignment.h"
#include "whisper/history.h"
#include "whisper/options.h"
#include "whisper/rules.h"
#include "whisper/search.h"
#include "whisper/segment.h"
#include "whisper/speech.h"
#include "whisper/window.h"

/** The way from the samples that the model hears back to the recording. All in milliseconds. */
struct Timeline {
  /** Where the part that is asked for begins in the recording, and how long it is. */
  int64_t offset_ms;
  int64_t part_ms;
  /** What was left of it, or nullptr: all. */
  const Condensed* condensed;
  /** Where the samples begin in what was left. */
  int64_t base_ms;

  int64_t start(int64_t ms) const {
    return offset_ms + (condensed ? condensed->start_ms(base_ms + ms) : base_ms + ms);
  }
  int64_t end(int64_t ms) const {
    return offset_ms + (condensed ? condensed->end_ms(base_ms + ms) : base_ms + ms);
  }
  int64_t last() const { return offset_ms + part_ms; }
};

/**
 * Transcribes 16 kHz samples window by window, and gives each finished window's events to `emit`. Source:
 * transcribe() of OpenAI's whisper/transcribe.py. Borrows everything. One thread; throws Error cancelled,
 * out_of_memory, internal.
 */
class Transcription {
 public:
  using Emit = std::function<void(Event)>;

  Transcription(Session& session, const RunOptions& options, const std::atomic<bool>& cancelled,
                const Emit& emit, const Timeline& timeline);

  /** `language`: "auto" or a code. `on_language` is told the language before the first segment. */
  void run(const float* samples, size_t count, const std::string& language,
           const std::function<void(const std::string&)>& on_language);

 private:
  int64_t transcribe_window(int64_t frame, int64_t frames);
  WindowResult decode();
  float hear_start();
  std::vector<int> start_tokens() const;
  Alignment align(const std::vector<int>& tokens, int64_t frames);
  std::optional<Segment> take(const Slice& slice, const WindowResult& result, int64_t frame,
                              const std::optional<Alignment>& alignment);
  void set_times(std::vector<Token>& tokens, const Slice& slice, const Alignment& alignment, int64_t frame,
                 const Segment& segment) const;
  Token token_of(int id, float logprob) const;
  std::vector<Token> tokens_of(const Slice& slice, const Decoding& decoding) const;
  int64_t window_ms_of(int token) const;
  SearchListener listener() const;
  int64_t done_ms(int64_t frame) const;

  Session& session_;
  const Weights& weights_;
  const Vocabulary& vocabulary_;
  const RunOptions& options_;
  const std::atomic<bool>& cancelled_;
  const Emit& emit_;
  const Timeline timeline_;
  const Rules rules_;
  const SearchListener listener_;
  History history_;
  // from the options' seed: the same seed gives the same text
  std::mt19937 random_;
  std::string language_;
  std::function<void(const std::string&)> on_language_;
  int next_id_ = 0;
  int64_t last_end_ms_;
};
