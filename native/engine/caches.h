#pragma once

#include <cstddef>
#include <vector>

#include "compute/device.h"
#include "compute/nodes.h"
#include "whisper/upstream.h"

/**
 * The memory of the windows that are decoded at the same time. Each slot has room for one window: the
 * encoder's state, the keys and values that cross-attention reads, and cells for those of decoded tokens,
 * which the sequences of a window share as far as they are the same. Allocated once; where the device is the
 * CPU, memory that was never used is not taken from the system.
 */
class Caches {
 public:
  /** Sequences of one window, at most: beams or candidates. */
  static constexpr int kMostLanes = 8;

  /** Throws Error out_of_memory. */
  Caches(const Network& network, Device& device, int slots);

  /** `kernels`: of the device. */
  static size_t bytes_per_slot(const Network& network, bool kernels);
  /** Enough for a prompt and for every lane's own tokens. */
  static int cells_per_slot(const Network& network);

  int slots() const { return slots_; }
  int cells() const { return cells_; }

  // Views into the caches, made in `graph`.

  /** [width, context] f32 */
  ggml_tensor* hidden(Graph& graph, int slot) const;
  /** [width / heads, context, heads] */
  Cached audio_keys(Graph& graph, size_t layer, int slot) const;
  Cached audio_values(Graph& graph, size_t layer, int slot) const;
  /** [width / heads, cells, heads] f16, the first `cells` of the slot's */
  Cached text_keys(Graph& graph, size_t layer, int slot, int cells) const;
  Cached text_values(Graph& graph, size_t layer, int slot, int cells) const;
  /** [width, slots x cells] f16: cell c of slot s is row s x cells() + c. */
  ggml_tensor* all_text_keys(size_t layer) const { return text_keys_[layer]; }
  ggml_tensor* all_text_values(size_t layer) const { return text_values_[layer]; }

 private:
  Cached audio_cache(bool bytes);
  Cached audio(Graph& graph, const Cached& cache, int slot) const;
  Cached text(Graph& graph, ggml_tensor* cache, int slot, int cells) const;

  const Network& network_;
  const int slots_;
  const int cells_;
  Store audio_;
  Store text_;
  std::vector<ggml_tensor*> hidden_;  // by slot
  // by layer
  std::vector<Cached> audio_keys_;
  std::vector<Cached> audio_values_;
  std::vector<ggml_tensor*> text_keys_;
  std::vector<ggml_tensor*> text_values_;
};
