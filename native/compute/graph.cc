#include "compute/graph.h"

#include <ggml.h>

#include "error.h"

void Graph::Deleter::operator()(ggml_context* context) const {
  ggml_free(context);
}

Graph::Graph(size_t most_nodes, bool kernels)
    : memory_(ggml_tensor_overhead() * most_nodes + ggml_graph_overhead_custom(most_nodes, false)),
      context_(ggml_init({memory_.size(), memory_.data(), /*no_alloc=*/true})),
      cgraph_(nullptr),
      kernels_(kernels) {
  if (!context_) throw Error("out_of_memory", "No memory for a graph");
  cgraph_ = ggml_new_graph_custom(context_.get(), most_nodes, false);
}

void Graph::add(ggml_tensor* node) {
  ggml_build_forward_expand(cgraph_, node);
}

ggml_tensor* Graph::input(int type, int64_t ne0, int64_t ne1, int64_t ne2) {
  ggml_tensor* tensor = ggml_new_tensor_3d(context_.get(), static_cast<ggml_type>(type), ne0, ne1, ne2);
  ggml_set_input(tensor);
  return tensor;
}

void Graph::download(ggml_tensor* node, float* to) {
  ggml_set_output(node);
  add(node);
  downloads_.push_back({node, to});
}
