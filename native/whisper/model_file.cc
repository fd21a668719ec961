#include "whisper/model_file.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <ggml.h>
#include "error.h"

namespace {

constexpr int32_t kMagic = 0x67676d6c;
constexpr int32_t kMostTensors = 10000;
constexpr int32_t kLongestName = 256;

/** The 11 numbers after the magic, with bounds that no whisper model leaves. */
struct Bounds {
  const char* name;
  int32_t low;
  int32_t high;
};
constexpr std::array<Bounds, 11> kHeader = {{{"n_vocab", 51864, 52000},
                                             {"n_audio_ctx", 1, 1500},
                                             {"n_audio_state", 64, 4096},
                                             {"n_audio_head", 1, 64},
                                             {"n_audio_layer", 1, 64},
                                             {"n_text_ctx", 8, 448},
                                             {"n_text_state", 64, 4096},
                                             {"n_text_head", 1, 64},
                                             {"n_text_layer", 1, 64},
                                             {"n_mels", 80, 128},
                                             {"ftype", 0, 4096}}};

[[noreturn]] void reject(const std::string& why) {
  throw Error("bad_model", why);
}

class Reader {
 public:
  explicit Reader(const std::string& path) : file_(path, std::ios::binary) {
    std::error_code failed;
    if (!std::filesystem::is_regular_file(path, failed)) throw Error("io", "The model file cannot be opened");
    left_ = static_cast<int64_t>(std::filesystem::file_size(path, failed));
    if (!file_ || failed) throw Error("io", "The model file cannot be opened");
  }

  int64_t left() const { return left_; }

  int32_t number(const char* name, int32_t low, int32_t high) {
    int32_t value = 0;
    take(sizeof(value));
    file_.read(reinterpret_cast<char*>(&value), sizeof(value));
    if (!file_) throw Error("io", "The model file cannot be read");
    if (value < low || value > high) {
      reject("The model file is damaged: " + std::string(name) + " cannot be " + std::to_string(value));
    }
    return value;
  }

  std::string text(int32_t length) {
    std::string text(static_cast<size_t>(length), '\0');
    take(length);
    if (!file_.read(text.data(), length)) throw Error("io", "The model file cannot be read");
    return text;
  }

  void skip(int64_t bytes) {
    take(bytes);
    file_.seekg(bytes, std::ios::cur);
  }

 private:
  void take(int64_t bytes) {
    if (bytes > left_) reject("The model file is incomplete: it breaks off too early");
    left_ -= bytes;
  }

  std::ifstream file_;
  int64_t left_ = 0;
};

void skip_tensor(Reader& reader) {
  const int32_t dimensions = reader.number("a tensor's number of dimensions", 0, 4);
  const int32_t name_length = reader.number("the length of a tensor's name", 1, kLongestName);
  const auto type = static_cast<ggml_type>(reader.number("a tensor's type", 0, GGML_TYPE_COUNT - 1));
  const int64_t block = ggml_blck_size(type);
  if (block == 0) reject("The model file is damaged: it has tensors of a type that no longer exists");
  int64_t elements = 1;
  for (int32_t i = 0; i < dimensions; ++i) elements *= reader.number("a tensor's size", 1, 1 << 20);
  if (elements % block != 0) reject("The model file is damaged: a tensor has a broken row");
  reader.skip(name_length);
  reader.skip(elements / block * static_cast<int64_t>(ggml_type_size(type)));
}

void check_magic(Reader& reader, const char* kind) {
  if (reader.left() >= 4 && reader.number("the magic", INT32_MIN, INT32_MAX) == kMagic) return;
  reject("Expected " + std::string(kind) + " in ggml format but received another kind of file");
}

/** To the end of the file. */
void skip_tensors(Reader& reader) {
  int32_t tensors = 0;
  for (; reader.left() > 0 && tensors <= kMostTensors; ++tensors) skip_tensor(reader);
  if (tensors == 0) reject("The model file is incomplete: it has no weights");
}

}  // namespace

void check_model_file(const std::string& path) {
  Reader reader(path);
  check_magic(reader, "a whisper model");
  std::array<int32_t, kHeader.size()> header{};
  for (size_t i = 0; i < header.size(); ++i) {
    header[i] = reader.number(kHeader[i].name, kHeader[i].low, kHeader[i].high);
  }
  if (header[2] % header[3] != 0 || header[6] % header[7] != 0)
    reject("The model file is damaged: uneven heads");

  const int64_t mels = reader.number("the number of mel bands", 80, 128);
  const int64_t bins = reader.number("the number of frequency bins", 1, 1000);
  reader.skip(mels * bins * static_cast<int64_t>(sizeof(float)));
  const int32_t words = reader.number("the size of the vocabulary", 1, 52000);
  for (int32_t i = 0; i < words; ++i) reader.skip(reader.number("the length of a word", 0, 1 << 16));

  skip_tensors(reader);
}

void check_vad_file(const std::string& path) {
  constexpr std::string_view kind = "silero-16k";
  constexpr int32_t length = static_cast<int32_t>(kind.size());
  Reader reader(path);
  check_magic(reader, "Silero weights");
  if (reader.left() < 4 + length || reader.number("the length of the kind", INT32_MIN, INT32_MAX) != length ||
      reader.text(length) != kind) {
    reject("Expected Silero weights for 16 kHz but received another kind of model");
  }
  reader.skip(3 * sizeof(int32_t));  // version
  reader.number("the samples of a frame", 512, 512);
  reader.number("the samples of context", 0, 512);
  const int32_t layers = reader.number("the number of layers", 1, 16);
  // three sizes a layer, two of the LSTM, two of the last convolution
  for (int32_t i = 0; i < 3 * layers + 4; ++i) reader.number("a layer's size", 1, 4096);
  skip_tensors(reader);
}
