#pragma once

#include <cstdint>
#include <vector>

#include "compute/device.h"
#include "engine/caches.h"
#include "whisper/alignment_heads.h"
#include "whisper/upstream.h"

/** One token to be decoded. */
struct Row {
  int token;
  int position;
  /** Where its keys and values go. */
  int32_t cell;
  /** The cells of its sequence: of the tokens before it, then its own. */
  std::vector<int32_t> visible;
  /** Whether its logits are wanted. */
  bool logits;
};

/** Consecutive rows of one window. */
struct Rows {
  int slot;
  const Row* first;
  int count;
  /** The logits that are wanted, row after row, `vocabulary` floats each, are appended here. */
  std::vector<float>* logits;
  /** If not nullptr: [head][row][frame] of the heads in attention_heads goes here; `attention_stride` rows a
   * head. */
  float* attention;
  int attention_stride;
};

/** Decodes tokens of any number of windows in one step. Compute thread only. */
class Decoder {
 public:
  Decoder(const Network& network, Device& device, const Caches& caches,
          std::vector<AlignmentHead> attention_heads)
      : network_(network), device_(device), caches_(caches), attention_heads_(std::move(attention_heads)) {}

  /** Throws Error out_of_memory, internal. */
  void step(const std::vector<Rows>& parts);

 private:
  ggml_tensor* layer(Graph& graph, size_t index, ggml_tensor* x, ggml_tensor* cells,
                     const std::vector<Rows>& parts);

  const Network& network_;
  Device& device_;
  const Caches& caches_;
  const std::vector<AlignmentHead> attention_heads_;
};
