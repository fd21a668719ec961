#include "engine/caches.h"

#include <ggml.h>

Caches::Caches(const Network& network, Device& device, int slots)
    : network_(network),
      slots_(slots),
      cells_(cells_per_slot(network)),
      audio_(static_cast<size_t>(slots) + 2 * network.decoder.size()),
      text_(2 * network.decoder.size()) {
  const int context = network.audio_context;
  const int width = network.text_width;
  for (int slot = 0; slot < slots; ++slot) {
    hidden_.push_back(audio_.tensor(GGML_TYPE_F32, network.audio_width, context));
  }
  for (size_t layer = 0; layer < network.decoder.size(); ++layer) {
    audio_keys_.push_back(audio_.tensor(GGML_TYPE_F16, width, int64_t{context} * slots));
    audio_values_.push_back(audio_.tensor(GGML_TYPE_F16, width, int64_t{context} * slots));
    text_keys_.push_back(text_.tensor(GGML_TYPE_F16, width, int64_t{cells_} * slots));
    text_values_.push_back(text_.tensor(GGML_TYPE_F16, width, int64_t{cells_} * slots));
  }
  device.allocate(audio_, /*whole=*/true);
  device.allocate(text_, /*whole=*/false);
}

int Caches::cells_per_slot(const Network& network) {
  const int half = network.text_context / 2;
  return network.text_context - half + kMostLanes * half;
}

size_t Caches::bytes_per_slot(const Network& network) {
  const auto context = static_cast<size_t>(network.audio_context);
  const size_t rows = context + static_cast<size_t>(cells_per_slot(network));
  const size_t keys_and_values = 2 * sizeof(ggml_fp16_t) * static_cast<size_t>(network.text_width) * rows;
  return keys_and_values * network.decoder.size() +
         sizeof(float) * static_cast<size_t>(network.audio_width) * context;
}

ggml_tensor* Caches::hidden(Graph& graph, int slot) const {
  return ggml_view_tensor(graph.context(), hidden_[static_cast<size_t>(slot)]);
}

ggml_tensor* Caches::audio(Graph& graph, ggml_tensor* cache, int slot) const {
  const int head = network_.text_width / network_.text_heads;
  const int context = network_.audio_context;
  const size_t row = static_cast<size_t>(head) * sizeof(ggml_fp16_t);
  return ggml_view_3d(graph.context(), cache, head, context, network_.text_heads, row,
                      row * static_cast<size_t>(context), static_cast<size_t>(slot) * context * cache->nb[1]);
}

ggml_tensor* Caches::text(Graph& graph, ggml_tensor* cache, int slot, int cells) const {
  const int head = network_.text_width / network_.text_heads;
  return ggml_view_3d(graph.context(), cache, head, cells, network_.text_heads, cache->nb[1],
                      static_cast<size_t>(head) * sizeof(ggml_fp16_t),
                      static_cast<size_t>(slot) * static_cast<size_t>(cells_) * cache->nb[1]);
}

ggml_tensor* Caches::audio_keys(Graph& graph, size_t layer, int slot) const {
  return audio(graph, audio_keys_[layer], slot);
}

ggml_tensor* Caches::audio_values(Graph& graph, size_t layer, int slot) const {
  return audio(graph, audio_values_[layer], slot);
}

ggml_tensor* Caches::text_keys(Graph& graph, size_t layer, int slot, int cells) const {
  return text(graph, text_keys_[layer], slot, cells);
}

ggml_tensor* Caches::text_values(Graph& graph, size_t layer, int slot, int cells) const {
  return text(graph, text_values_[layer], slot, cells);
}
