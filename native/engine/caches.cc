#include "engine/caches.h"

#include <ggml.h>

Caches::Caches(const Network& network, Device& device, int slots)
    : network_(network),
      slots_(slots),
      cells_(cells_per_slot(network)),
      audio_(static_cast<size_t>(slots) + 6 * network.decoder.size()),
      text_(2 * network.decoder.size()) {
  const int context = network.audio_context;
  const int width = network.text_width;
  for (int slot = 0; slot < slots; ++slot) {
    hidden_.push_back(audio_.tensor(GGML_TYPE_F32, network.audio_width, context));
  }
  const bool bytes = keeps_bytes(device.kernels(), width / network.text_heads);
  for (size_t layer = 0; layer < network.decoder.size(); ++layer) {
    audio_keys_.push_back(audio_cache(bytes));
    audio_values_.push_back(audio_cache(bytes));
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

size_t Caches::bytes_per_slot(const Network& network, bool kernels) {
  const auto context = static_cast<size_t>(network.audio_context);
  const auto width = static_cast<size_t>(network.text_width);
  const auto heads = static_cast<size_t>(network.text_heads);
  const bool bytes = keeps_bytes(kernels, network.text_width / network.text_heads);
  const size_t heard = bytes ? context * (width + heads * sizeof(float)) + width * sizeof(float)
                             : context * width * sizeof(ggml_fp16_t);
  const size_t said = static_cast<size_t>(cells_per_slot(network)) * width * sizeof(ggml_fp16_t);
  return 2 * (heard + said) * network.decoder.size() +
         sizeof(float) * static_cast<size_t>(network.audio_width) * context;
}

ggml_tensor* Caches::hidden(Graph& graph, int slot) const {
  return ggml_view_tensor(graph.context(), hidden_[static_cast<size_t>(slot)]);
}

Cached Caches::audio_cache(bool bytes) {
  const int width = network_.text_width;
  const int context = network_.audio_context;
  if (!bytes) return {audio_.tensor(GGML_TYPE_F16, width, context, slots_)};
  return {audio_.tensor(GGML_TYPE_I8, width, context, slots_),
          audio_.tensor(GGML_TYPE_F32, network_.text_heads, context, slots_),
          audio_.tensor(GGML_TYPE_F32, width, 1, slots_)};
}

Cached Caches::audio(Graph& graph, const Cached& cache, int slot) const {
  const int heads = network_.text_heads;
  const auto view = [&](ggml_tensor* whole) -> ggml_tensor* {
    if (!whole) return nullptr;
    const size_t key = whole->nb[1] / static_cast<size_t>(heads);
    return ggml_view_3d(graph.context(), whole, whole->ne[0] / heads, whole->ne[1], heads, key,
                        key * static_cast<size_t>(whole->ne[1]), static_cast<size_t>(slot) * whole->nb[2]);
  };
  return {view(cache.values), view(cache.scales), view(cache.mean)};
}

Cached Caches::text(Graph& graph, ggml_tensor* cache, int slot, int cells) const {
  const int head = network_.text_width / network_.text_heads;
  return {ggml_view_3d(graph.context(), cache, head, cells, network_.text_heads, cache->nb[1],
                       static_cast<size_t>(head) * sizeof(ggml_fp16_t),
                       static_cast<size_t>(slot) * static_cast<size_t>(cells_) * cache->nb[1])};
}

Cached Caches::audio_keys(Graph& graph, size_t layer, int slot) const {
  return audio(graph, audio_keys_[layer], slot);
}

Cached Caches::audio_values(Graph& graph, size_t layer, int slot) const {
  return audio(graph, audio_values_[layer], slot);
}

Cached Caches::text_keys(Graph& graph, size_t layer, int slot, int cells) const {
  return text(graph, text_keys_[layer], slot, cells);
}

Cached Caches::text_values(Graph& graph, size_t layer, int slot, int cells) const {
  return text(graph, text_values_[layer], slot, cells);
}
