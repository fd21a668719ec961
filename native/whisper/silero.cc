#include "whisper/silero.h"

#include <whisper.h>
#include "error.h"
#include "whisper/model_file.h"

void Silero::Deleter::operator()(whisper_vad_context* context) const {
  whisper_vad_free(context);
}

Silero::Silero(const std::string& path) {
  check_vad_file(path);
  auto params = whisper_vad_default_context_params();
  params.n_threads = 1;
  context_.reset(whisper_vad_init_from_file_with_params(path.c_str(), params));
  if (!context_) throw Error("bad_model", "The VAD weights cannot be read");
  whisper_vad_reset_state(context_.get());
}

void Silero::judge(const float* samples, size_t count, std::vector<float>& probabilities) {
  if (!whisper_vad_detect_speech_no_reset(context_.get(), samples, static_cast<int>(count))) {
    throw Error("internal", "Voice activity detection failed");
  }
  const float* found = whisper_vad_probs(context_.get());
  probabilities.insert(probabilities.end(), found, found + whisper_vad_n_probs(context_.get()));
}
