#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "whisper/weights.h"

struct whisper_state;

/** Ids of a model's tokens. Those below `eot` are text, those from `timestamp_begin` on are times in steps of
 * 20 ms. */
struct Vocabulary {
  int size = 0;
  int eot = 0;
  int sot = 0;
  int translate = 0;
  int transcribe = 0;
  int speaker_turn = 0;
  int previous = 0;
  int no_speech = 0;
  int no_timestamps = 0;
  int timestamp_begin = 0;
  /** The single space; -1 if there is none. */
  int blank = -1;
  /** By the index of Weights::languages(). */
  std::vector<int> languages;
  /** Signs that are not spoken: the list of OpenAI's whisper/tokenizer.py, non_speech_tokens. */
  std::vector<int> non_speech;

  bool is_timestamp(int token) const { return token >= timestamp_begin; }
};

/**
 * What one run computes on: whisper.cpp's state (mel spectrogram, encoding of one window, attention caches)
 * behind a few verbs. A lane is a sequence of tokens with attention of its own: a beam, or a candidate. One
 * thread. All of it throws Error out_of_memory or internal.
 */
class Session {
 public:
  static constexpr int kMostLanes = 8;
  static constexpr int kFramesPerSecond = 100;
  /** A window: 30 s. */
  static constexpr int64_t kWindowFrames = 3000;

  struct Input {
    int token;
    int position;
    int lane;
    /** Whether logits() of this row will be asked for. */
    bool logits;
  };

  explicit Session(const Weights& weights);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  /** Longest sequence of tokens, prompt included. */
  int text_context() const;
  std::vector<int> tokenize(const std::string& text) const;
  std::string_view bytes_of(int token) const;

  /** Computes the mel spectrogram of 16 kHz samples. */
  void listen(const float* samples, size_t count, int threads);
  /** Encodes the window that begins at `frame` (10 ms each). The lanes are forgotten. */
  void encode(int64_t frame, int threads);

  /** Forgets all lanes and makes room for `lanes` of them. */
  void reset(int lanes);
  /** Decodes the inputs in one batch. */
  void decode(const std::vector<Input>& inputs, int threads);
  /** The logits of input `row` of the last decode(): vocabulary().size floats, good until the next one. */
  const float* logits(size_t row) const;
  /** Lane i becomes a copy of lane sources[i], for all i at once. */
  void rearrange(const std::vector<int>& sources);

 private:
  struct Deleter {
    void operator()(whisper_state* state) const;
  };

  const Weights& weights_;
  std::unique_ptr<whisper_state, Deleter> state_;
  Vocabulary vocabulary_;
};
