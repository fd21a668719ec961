#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

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
  static std::shared_ptr<Weights> load(const std::string& path, int gpu, bool flash_attention);

  whisper_context* context() const { return context_.get(); }
  const std::string& type() const { return type_; }
  const std::string& precision() const { return precision_; }
  bool multilingual() const { return languages_.size() > 1; }
  /** Size of the file. */
  int64_t bytes() const { return bytes_; }
  /** About what a state of this model allocates: its caches and compute buffers. */
  int64_t bytes_per_run() const;
  /** Codes, e.g. "en", in the order of their tokens. */
  const std::vector<std::string>& languages() const { return languages_; }
  /** whisper.cpp creates states on shared backends: one at a time. */
  std::mutex& state_mutex() const { return state_mutex_; }

 private:
  std::unique_ptr<whisper_context, Deleter> context_;
  std::string type_;
  std::string precision_;
  int64_t bytes_ = 0;
  std::vector<std::string> languages_;
  mutable std::mutex state_mutex_;
};
