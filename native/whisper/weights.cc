#include "whisper/weights.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <whisper.h>
#include "error.h"
#include "whisper/model_file.h"

namespace {

/** Ids of a multilingual vocabulary before its language tokens end, without <|translate|> and those after it.
 */
constexpr int kVocabularyWithoutLanguages = 51765;

}  // namespace

void Weights::Deleter::operator()(whisper_context* context) const {
  whisper_free(context);
}

Weights::Weights(std::unique_ptr<whisper_context, Deleter> context) : context_(std::move(context)) {
  type_ = whisper_model_type_readable(context_.get());
  const auto ftype = static_cast<ggml_ftype>(whisper_model_ftype(context_.get()));
  precision_ = ggml_type_name(ggml_ftype_to_ggml_type(ftype));
  if (whisper_is_multilingual(context_.get()) != 0) {
    const int count = whisper_model_n_vocab(context_.get()) - kVocabularyWithoutLanguages - 1;
    for (int id = 0; id < std::min(count, whisper_lang_max_id() + 1); ++id) {
      languages_.emplace_back(whisper_lang_str(id));
    }
  } else {
    languages_.emplace_back("en");
  }
  network_ = upstream::network(*context_);
  vocabulary_ = upstream::vocabulary(*context_, multilingual() ? languages_.size() : 0);
  alignment_heads_ = ::alignment_heads({static_cast<int>(network_.decoder.size()), network_.text_heads,
                                        network_.text_width, network_.mels, multilingual()});
}

std::shared_ptr<Weights> Weights::load(const std::string& path, int gpu) {
  check_model_file(path);
  auto params = whisper_context_default_params();
  params.use_gpu = gpu >= 0;
  params.gpu_device = gpu >= 0 ? gpu : 0;
  std::unique_ptr<whisper_context, Deleter> context(
      whisper_init_from_file_with_params_no_state(path.c_str(), params));
  if (!context) throw Error("bad_model", "The model file is damaged or incomplete");
  auto weights = std::make_shared<Weights>(std::move(context));
  weights->bytes_ = static_cast<int64_t>(std::filesystem::file_size(path));
  return weights;
}
