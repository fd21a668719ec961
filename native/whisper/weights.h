#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "whisper/alignment_heads.h"
#include "whisper/upstream.h"

struct whisper_context;

/** The weights of a model: read-only, shared by all runs on it. The only owner of a whisper_context. */
class Weights {
 public:
  struct Deleter {
    void operator()(whisper_context* context) const;
  };

  /** Takes the ownership. Use load(). */
  explicit Weights(std::unique_ptr<whisper_context, Deleter> context);

  /** Reads a model file; blocks. `gpu`: index of a GPU or -1. Throws Error io, bad_model, out_of_memory. */
  static std::shared_ptr<Weights> load(const std::string& path, int gpu);

  whisper_context* context() const { return context_.get(); }
  const std::string& type() const { return type_; }
  const std::string& precision() const { return precision_; }
  bool multilingual() const { return languages_.size() > 1; }
  /** Size of the file. */
  int64_t bytes() const { return bytes_; }
  /** Codes, e.g. "en", in the order of their tokens. */
  const std::vector<std::string>& languages() const { return languages_; }
  const Network& network() const { return network_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const std::vector<AlignmentHead>& alignment_heads() const { return alignment_heads_; }
  std::vector<int> tokenize(const std::string& text) const { return upstream::tokenize(*context_, text); }
  /** Bytes of a text token; empty for any other. */
  std::string_view bytes_of(int token) const { return upstream::bytes_of(*context_, token); }

 private:
  std::unique_ptr<whisper_context, Deleter> context_;
  std::string type_;
  std::string precision_;
  int64_t bytes_ = 0;
  std::vector<std::string> languages_;
  Network network_;
  Vocabulary vocabulary_;
  std::vector<AlignmentHead> alignment_heads_;
};
