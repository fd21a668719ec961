#pragma once

#include <vector>

#include "compute/device.h"
#include "engine/caches.h"
#include "whisper/upstream.h"

/**
 * The encoder, and the keys and values that the decoder's cross-attention reads, in stages: between two of
 * them other work may be done, and a pass may be given up. Its state between stages is the slot's. Compute
 * thread only.
 */
class Encoder {
 public:
  Encoder(const Network& network, Device& device, const Caches& caches)
      : network_(network), device_(device), caches_(caches) {}

  /** Convolutions; each layer of the encoder; each layer of the decoder's keys and values. */
  int stages() const { return 1 + static_cast<int>(network_.encoder.size() + network_.decoder.size()); }
  /** Computes one stage. `mel`: [mels][2 x context], read by the first. Throws Error out_of_memory, internal.
   */
  void compute(int stage, int slot, const std::vector<float>& mel);

 private:
  ggml_tensor* convolutions(Graph& graph, const std::vector<float>& mel) const;
  ggml_tensor* layer(Graph& graph, const EncoderLayer& layer, ggml_tensor* x) const;
  void keys_and_values(Graph& graph, size_t layer, int slot, ggml_tensor* x) const;

  const Network& network_;
  Device& device_;
  const Caches& caches_;
};
