// The one translation unit that includes whisper.cpp's source: what its header does not offer (tensors, mel
// filters, the tokenizer) is reached from here, and nowhere else.
#include <src/whisper.cpp>

#include "whisper/upstream.h"

namespace {

int id_of(const whisper_vocab& vocab, const std::string& text) {
  const auto found = vocab.token_to_id.find(text);
  return found == vocab.token_to_id.end() ? -1 : found->second;
}

/** Each sign alone and after a space; hyphen and apostrophe only where they would begin a word. */
std::vector<int> non_speech_of(const whisper_vocab& vocab) {
  std::vector<int> ids;
  const auto add = [&](const std::string& text) {
    const int id = id_of(vocab, text);
    if (id >= 0) ids.push_back(id);
  };
  for (const std::string& sign : non_speech_tokens) {
    add(sign);
    add(" " + sign);
  }
  add(" -");
  add(" '");
  return ids;
}

EncoderLayer encoder_layer(const whisper_layer_encoder& from) {
  return {
      {from.attn_ln_0_w, from.attn_ln_0_b},
      {from.attn_q_w, from.attn_q_b},
      {from.attn_k_w, nullptr},
      {from.attn_v_w, from.attn_v_b},
      {from.attn_ln_1_w, from.attn_ln_1_b},
      {from.mlp_ln_w, from.mlp_ln_b},
      {from.mlp_0_w, from.mlp_0_b},
      {from.mlp_1_w, from.mlp_1_b},
  };
}

DecoderLayer decoder_layer(const whisper_layer_decoder& from) {
  return {
      {from.attn_ln_0_w, from.attn_ln_0_b},
      {from.attn_q_w, from.attn_q_b},
      {from.attn_k_w, nullptr},
      {from.attn_v_w, from.attn_v_b},
      {from.attn_ln_1_w, from.attn_ln_1_b},
      {from.cross_attn_ln_0_w, from.cross_attn_ln_0_b},
      {from.cross_attn_q_w, from.cross_attn_q_b},
      {from.cross_attn_k_w, nullptr},
      {from.cross_attn_v_w, from.cross_attn_v_b},
      {from.cross_attn_ln_1_w, from.cross_attn_ln_1_b},
      {from.mlp_ln_w, from.mlp_ln_b},
      {from.mlp_0_w, from.mlp_0_b},
      {from.mlp_1_w, from.mlp_1_b},
  };
}

/** Window `frame` of the samples as the centred transform reads it: 200 samples before, mirrored at the
 * start. */
std::vector<float> padded_window(const float* samples, int64_t count, int64_t frame) {
  std::vector<float> window(upstream::kWindowFrames * WHISPER_HOP_LENGTH + WHISPER_N_FFT, 0.0F);
  const int64_t first = frame * WHISPER_HOP_LENGTH - WHISPER_N_FFT / 2;
  const auto size = static_cast<int64_t>(window.size());
  for (int64_t i = 0; i < std::min(size, count - first); ++i) {
    const int64_t at = std::abs(first + i);
    if (at < count) window[i] = samples[at];
  }
  return window;
}

}  // namespace

namespace upstream {

Vocabulary vocabulary(const whisper_context& context, size_t languages) {
  const whisper_vocab& vocab = context.vocab;
  Vocabulary to;
  to.size = vocab.n_vocab;
  to.eot = vocab.token_eot;
  to.sot = vocab.token_sot;
  to.translate = vocab.token_translate;
  to.transcribe = vocab.token_transcribe;
  to.speaker_turn = vocab.token_solm;
  to.previous = vocab.token_prev;
  to.no_speech = vocab.token_nosp;
  to.no_timestamps = vocab.token_not;
  to.timestamp_begin = vocab.token_beg;
  to.blank = id_of(vocab, " ");
  to.non_speech = non_speech_of(vocab);
  for (size_t i = 0; i < languages; ++i) to.languages.push_back(vocab.token_sot + 1 + static_cast<int>(i));
  return to;
}

Network network(const whisper_context& context) {
  const whisper_model& model = context.model;
  const whisper_hparams& sizes = model.hparams;
  Network to;
  to.mels = sizes.n_mels;
  to.audio_context = sizes.n_audio_ctx;
  to.audio_width = sizes.n_audio_state;
  to.audio_heads = sizes.n_audio_head;
  to.text_context = sizes.n_text_ctx;
  to.text_width = sizes.n_text_state;
  to.text_heads = sizes.n_text_head;
  to.vocabulary = sizes.n_vocab;
  to.conv1 = {model.e_conv_1_w, model.e_conv_1_b};
  to.conv2 = {model.e_conv_2_w, model.e_conv_2_b};
  to.audio_positions = model.e_pe;
  for (const auto& layer : model.layers_encoder) to.encoder.push_back(encoder_layer(layer));
  to.encoder_norm = {model.e_ln_w, model.e_ln_b};
  to.token_embedding = model.d_te;
  to.text_positions = model.d_pe;
  for (const auto& layer : model.layers_decoder) to.decoder.push_back(decoder_layer(layer));
  to.decoder_norm = {model.d_ln_w, model.d_ln_b};
  return to;
}

std::vector<int> tokenize(const whisper_context& context, const std::string& text) {
  return ::tokenize(context.vocab, text);
}

std::string_view bytes_of(const whisper_context& context, int token) {
  if (token >= context.vocab.token_eot) return {};
  return context.vocab.id_to_token.at(token);
}

std::vector<ggml_backend_t> backends(const whisper_context& context) {
  return whisper_backend_init(context.params);
}

std::vector<float> log_mel(const whisper_context& context, const float* samples, size_t count,
                           int64_t frame) {
  const auto& filters = context.model.filters;
  // in the window's own positions, which begin half a transform before it
  const int64_t heard = static_cast<int64_t>(count) + WHISPER_N_FFT / 2 - frame * WHISPER_HOP_LENGTH;
  const std::vector<float> window = padded_window(samples, static_cast<int64_t>(count), frame);
  whisper_mel mel;
  mel.n_mel = filters.n_mel;
  mel.n_len = kWindowFrames;
  mel.data.resize(static_cast<size_t>(mel.n_mel) * mel.n_len);
  log_mel_spectrogram_worker_thread(
      0, global_cache.hann_window, window,
      static_cast<int>(std::clamp<int64_t>(heard, 0, static_cast<int64_t>(window.size()))), WHISPER_N_FFT,
      WHISPER_HOP_LENGTH, 1, filters, mel);
  return std::move(mel.data);
}

}  // namespace upstream
