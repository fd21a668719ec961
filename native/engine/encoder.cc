#include "engine/encoder.h"

#include <ggml.h>

#include "compute/nodes.h"

namespace {

constexpr size_t kMostNodes = 256;

/** A convolution over time with a kernel of 3, x [time, in] -> GELU of [out, time / stride]. */
ggml_tensor* convolution(Graph& graph, const Linear& linear, ggml_tensor* x, int stride) {
  ggml_context* context = graph.context();
  ggml_tensor* kernel = linear.weights;
  ggml_tensor* columns =
      ggml_im2col(context, kernel, x, stride, 0, 1, 0, 1, 0, /*is_2D=*/false, GGML_TYPE_F32);
  const Linear flat = {ggml_reshape_2d(context, kernel, kernel->ne[0] * kernel->ne[1], kernel->ne[2]),
                       ggml_reshape_1d(context, linear.bias, kernel->ne[2])};
  columns = ggml_reshape_2d(context, columns, columns->ne[0], columns->ne[1]);
  return product(graph, flat, columns, Activation::gelu);
}

}  // namespace

void Encoder::compute(int stage, int slot, const std::vector<float>& mel) {
  Graph graph(kMostNodes, device_.kernels());
  const auto layers = static_cast<int>(network_.encoder.size());
  ggml_tensor* state = caches_.hidden(graph, slot);
  if (stage > layers) {
    keys_and_values(graph, static_cast<size_t>(stage - layers - 1), slot, state);
  } else {
    ggml_tensor* x = stage == 0 ? convolutions(graph, mel)
                                : layer(graph, network_.encoder[static_cast<size_t>(stage - 1)], state);
    if (stage == layers) x = layer_norm(graph, network_.encoder_norm, x);
    graph.add(ggml_cpy(graph.context(), x, state));
  }
  device_.compute(graph);
}

ggml_tensor* Encoder::convolutions(Graph& graph, const std::vector<float>& mel) const {
  ggml_context* context = graph.context();
  ggml_tensor* x = graph.constant(GGML_TYPE_F32, mel, 2 * network_.audio_context, network_.mels);
  x = convolution(graph, network_.conv1, x, 1);
  x = convolution(graph, network_.conv2, ggml_cont(context, ggml_transpose(context, x)), 2);
  return ggml_add(context, x, network_.audio_positions);
}

ggml_tensor* Encoder::layer(Graph& graph, const EncoderLayer& layer, ggml_tensor* x) const {
  ggml_tensor* in = layer_norm(graph, layer.attention_norm, x);
  ggml_tensor* query = product(graph, layer.query, in);
  ggml_tensor* key = product(graph, layer.key, in);
  ggml_tensor* value = product(graph, layer.value, in);
  ggml_tensor* heard = self_attention(graph, query, key, value, network_.audio_heads);
  x = product(graph, layer.out, heard, Activation::none, x);
  in = layer_norm(graph, layer.mlp_norm, x);
  in = product(graph, layer.up, in, Activation::gelu);
  return product(graph, layer.down, in, Activation::none, x);
}

void Encoder::keys_and_values(Graph& graph, size_t layer, int slot, ggml_tensor* x) const {
  const DecoderLayer& weights = network_.decoder[layer];
  graph.add(put(graph, product(graph, weights.cross_key, x), caches_.audio_keys(graph, layer, slot)));
  graph.add(put(graph, product(graph, weights.cross_value, x), caches_.audio_values(graph, layer, slot)));
}
