// The one translation unit that includes whisper.cpp's source: what its header does not offer (lanes of the
// attention cache, logits of any row) is reached from here, and nowhere else.
#include <src/whisper.cpp>

#include "error.h"
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

Vocabulary vocabulary_of(const whisper_vocab& vocab, size_t languages) {
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

}  // namespace

void Session::Deleter::operator()(whisper_state* state) const {
  whisper_free_state(state);
}

Session::Session(const Weights& weights) : weights_(weights) {
  const std::lock_guard<std::mutex> lock(weights.state_mutex());
  state_.reset(whisper_init_state(weights.context()));
  if (!state_) throw Error("out_of_memory", "No memory for another run of this model");
  vocabulary_ =
      vocabulary_of(weights.context()->vocab, weights.multilingual() ? weights.languages().size() : 0);
}

int Session::text_context() const {
  return weights_.context()->model.hparams.n_text_ctx;
}

std::vector<int> Session::tokenize(const std::string& text) const {
  return ::tokenize(weights_.context()->vocab, text);
}

std::string_view Session::bytes_of(int token) const {
  if (token >= vocabulary_.eot) return {};
  return weights_.context()->vocab.id_to_token.at(token);
}

void Session::listen(const float* samples, size_t count, int threads) {
  const int n = static_cast<int>(count);
  if (whisper_pcm_to_mel_with_state(weights_.context(), state_.get(), samples, n, threads) != 0) {
    throw Error("internal", "The spectrogram could not be computed");
  }
}

void Session::encode(int64_t frame, int threads) {
  if (!whisper_encode_internal(*weights_.context(), *state_, static_cast<int>(frame), threads, nullptr,
                               nullptr)) {
    throw Error("internal", "The encoder failed");
  }
}

void Session::reset(int lanes) {
  auto& state = *state_;
  if (state.kv_self_n_dec < lanes) {
    whisper_kv_cache_free(state.kv_self);
    const auto& hparams = weights_.context()->model.hparams;
    // room beside the lanes, as in whisper_full: lanes that part leave holes
    const int windows = lanes > 1 ? lanes + 2 : 1;
    if (!whisper_kv_cache_init(state.kv_self, state.backends[0], weights_.context()->itype,
                               hparams.n_text_state, hparams.n_text_layer,
                               GGML_PAD(hparams.n_text_ctx, 256) * windows)) {
      throw Error("out_of_memory", "No memory for the decoder's cache");
    }
    state.kv_self_n_dec = lanes;
  }
  whisper_kv_cache_clear(state.kv_self);
}

void Session::decode(const std::vector<Input>& inputs, int threads) {
  auto& batch = state_->batch;
  batch.n_tokens = static_cast<int>(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    batch.token[i] = inputs[i].token;
    batch.pos[i] = inputs[i].position;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = inputs[i].lane;
    batch.logits[i] = inputs[i].logits ? 1 : 0;
  }
  if (!whisper_decode_internal(*weights_.context(), *state_, batch, threads, false, nullptr, nullptr)) {
    throw Error("internal", "The decoder failed");
  }
}

const float* Session::logits(size_t row) const {
  return state_->logits.data() + row * static_cast<size_t>(vocabulary_.size);
}

void Session::rearrange(const std::vector<int>& sources) {
  auto& cache = state_->kv_self;
  const int lanes = static_cast<int>(sources.size());
  // through a second set of lanes: a lane may be a source after it was a target
  for (int i = 0; i < lanes; ++i) whisper_kv_cache_seq_cp(cache, sources[i], kMostLanes + i, -1, -1);
  for (int i = 0; i < kMostLanes; ++i) whisper_kv_cache_seq_rm(cache, i, -1, -1);
  for (int i = 0; i < lanes; ++i) {
    whisper_kv_cache_seq_cp(cache, kMostLanes + i, i, -1, -1);
    whisper_kv_cache_seq_rm(cache, kMostLanes + i, -1, -1);
  }
}
