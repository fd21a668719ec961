#include "engine/decoder.h"

#include <algorithm>

#include <ggml.h>

#include "compute/nodes.h"

namespace {

constexpr size_t kNodesPerLayer = 64;
constexpr size_t kNodesPerPart = 24;

/** One more than the largest cell that a row of `part` sees. */
int cells_seen(const Rows& part) {
  int32_t most = 0;
  for (int i = 0; i < part.count; ++i) {
    for (const int32_t cell : part.first[i].visible) most = std::max(most, cell);
  }
  return most + 1;
}

}  // namespace

void Decoder::step(const std::vector<Rows>& parts) {
  Graph graph(64 + network_.decoder.size() * (kNodesPerLayer + kNodesPerPart * parts.size()),
              device_.kernels());
  ggml_context* context = graph.context();

  std::vector<int32_t> tokens;
  std::vector<int32_t> positions;
  std::vector<int64_t> cells;
  std::vector<int32_t> wanted;
  for (const Rows& part : parts) {
    for (int i = 0; i < part.count; ++i) {
      const Row& row = part.first[i];
      if (row.logits) wanted.push_back(static_cast<int32_t>(tokens.size()));
      tokens.push_back(row.token);
      positions.push_back(row.position);
      cells.push_back(int64_t{part.slot} * caches_.cells() + row.cell);
    }
  }
  const auto rows = static_cast<int64_t>(tokens.size());
  ggml_tensor* at = graph.constant(GGML_TYPE_I64, cells, rows);
  ggml_tensor* x = ggml_add(
      context, ggml_get_rows(context, network_.token_embedding, graph.constant(GGML_TYPE_I32, tokens, rows)),
      ggml_get_rows(context, network_.text_positions, graph.constant(GGML_TYPE_I32, positions, rows)));
  for (size_t i = 0; i < network_.decoder.size(); ++i) x = layer(graph, i, x, at, parts);

  ggml_tensor* logits = nullptr;
  if (!wanted.empty()) {
    const auto count = static_cast<int64_t>(wanted.size());
    if (count < rows) x = ggml_get_rows(context, x, graph.constant(GGML_TYPE_I32, wanted, count));
    x = layer_norm(graph, network_.decoder_norm, x);
    logits = product(graph, {network_.token_embedding, nullptr}, x);
    x = logits;
  }
  ggml_set_output(x);
  graph.add(x);
  device_.compute(graph);

  size_t offset = 0;
  for (const Rows& part : parts) {
    const auto count = static_cast<size_t>(
        std::count_if(part.first, part.first + part.count, [](const Row& row) { return row.logits; }));
    const size_t floats = count * static_cast<size_t>(network_.vocabulary);
    if (floats == 0) continue;
    const size_t before = part.logits->size();
    part.logits->resize(before + floats);
    Device::read(logits, part.logits->data() + before, offset * sizeof(float), floats * sizeof(float));
    offset += floats;
  }
}

ggml_tensor* Decoder::layer(Graph& graph, size_t index, ggml_tensor* x, ggml_tensor* cells,
                            const std::vector<Rows>& parts) {
  ggml_context* context = graph.context();
  const DecoderLayer& weights = network_.decoder[index];
  const int heads = network_.text_heads;

  ggml_tensor* in = layer_norm(graph, weights.self_norm, x);
  ggml_tensor* keys =
      ggml_set_rows(context, caches_.all_text_keys(index), product(graph, weights.self_key, in), cells);
  ggml_tensor* values =
      ggml_set_rows(context, caches_.all_text_values(index), product(graph, weights.self_value, in), cells);
  std::vector<Reader> readers;
  int first = 0;
  for (const Rows& part : parts) {
    const int seen = cells_seen(part);
    Reader reader{first,
                  part.count,
                  caches_.text_keys(graph, index, part.slot, seen),
                  caches_.text_values(graph, index, part.slot, seen),
                  {},
                  {},
                  {}};
    for (int i = 0; i < part.count; ++i) reader.visible.push_back(part.first[i].visible);
    readers.push_back(std::move(reader));
    first += part.count;
  }
  ggml_tensor* query = product(graph, weights.self_query, in);
  x = product(graph, weights.self_out,
              cached_attention(graph, query, std::move(readers), heads, {keys, values}), Activation::none, x);

  in = layer_norm(graph, weights.cross_norm, x);
  query = product(graph, weights.cross_query, in);
  readers.clear();
  first = 0;
  for (const Rows& part : parts) {
    Reader reader{first,
                  part.count,
                  caches_.audio_keys(graph, index, part.slot),
                  caches_.audio_values(graph, index, part.slot),
                  {},
                  {},
                  {}};
    for (size_t i = 0; part.attention && i < attention_heads_.size(); ++i) {
      if (attention_heads_[i].layer != static_cast<int>(index)) continue;
      reader.heads.push_back(attention_heads_[i].head);
      reader.weights.push_back(part.attention + i * static_cast<size_t>(part.attention_stride) *
                                                    static_cast<size_t>(network_.audio_context));
    }
    readers.push_back(std::move(reader));
    first += part.count;
  }
  x = product(graph, weights.cross_out, cached_attention(graph, query, std::move(readers), heads, {}),
              Activation::none, x);

  in = layer_norm(graph, weights.mlp_norm, x);
  in = product(graph, weights.up, in, Activation::gelu);
  return product(graph, weights.down, in, Activation::none, x);
}
