#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compute/nodes.h"

struct ggml_backend;
struct whisper_context;

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

struct EncoderLayer {
  Norm attention_norm;
  Linear query, key, value, out;
  Norm mlp_norm;
  Linear up, down;
};

struct DecoderLayer {
  Norm self_norm;
  Linear self_query, self_key, self_value, self_out;
  Norm cross_norm;
  Linear cross_query, cross_key, cross_value, cross_out;
  Norm mlp_norm;
  Linear up, down;
};

/** A model's tensors and their sizes, as our graphs see them; owned by its whisper_context. */
struct Network {
  int mels, audio_context, audio_width, audio_heads;
  int text_context, text_width, text_heads;
  int vocabulary;
  /** Convolution kernels [3, in, out], biases [1, out]. */
  Linear conv1, conv2;
  /** [width, context] f32. */
  ggml_tensor* audio_positions;
  std::vector<EncoderLayer> encoder;
  Norm encoder_norm;
  /** [width, vocabulary]: both the embedding and the last product. */
  ggml_tensor* token_embedding;
  ggml_tensor* text_positions;
  std::vector<DecoderLayer> decoder;
  Norm decoder_norm;
};

/** What whisper.cpp's header does not offer. All of it only reads the context. */
namespace upstream {

Vocabulary vocabulary(const whisper_context& context, size_t languages);
Network network(const whisper_context& context);
std::vector<int> tokenize(const whisper_context& context, const std::string& text);
/** Bytes of a text token; empty for any other. */
std::string_view bytes_of(const whisper_context& context, int token);

/** Those that a model's graphs run on: its GPU if it has one, accelerators, the CPU last. The caller owns
 * them. */
std::vector<ggml_backend*> backends(const whisper_context& context);

constexpr int kFramesPerSecond = 100;
/** A window: 30 s. */
constexpr int kWindowFrames = 3000;

/**
 * log10 of the mel energies of kWindowFrames frames from `frame` on, [mels][frames]; beyond the end of the 16
 * kHz samples it is silent. Source: log_mel_spectrogram() of OpenAI's whisper/audio.py, before clamp and
 * scale.
 */
std::vector<float> log_mel(const whisper_context& context, const float* samples, size_t count, int64_t frame);

}  // namespace upstream
