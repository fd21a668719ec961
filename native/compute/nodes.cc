#include "compute/nodes.h"

#include <ggml.h>

#include <algorithm>

#include "compute/custom.h"
#include "compute/kernels.h"

namespace {

struct LayerNorm {
  Norm norm;
  Tasks tasks;

  explicit LayerNorm(const Norm& of) : norm(of) {}

  void compute(ggml_tensor* y, int threads) {
    constexpr int kRows = 16;
    const int width = static_cast<int>(y->ne[0]), rows = static_cast<int>(y->ne[1]);
    tasks.share(parts(rows, kRows), threads, [&](int task) {
      for (int row = task * kRows; row < std::min(rows, (task + 1) * kRows); ++row)
        kernels().normalise(row_of<const float>(y->src[0], row), static_cast<const float*>(norm.scale->data),
                            static_cast<const float*>(norm.shift->data), width, row_of<float>(y, row));
    });
  }
};

}  // namespace

ggml_tensor* layer_norm(Graph& graph, const Norm& norm, ggml_tensor* x) {
  if (graph.kernels() && x->ne[0] % kDepthStep == 0)
    return custom<LayerNorm>(graph, x->ne[0], x->ne[1], {x}, norm);
  ggml_context* context = graph.context();
  return ggml_add(context, ggml_mul(context, ggml_norm(context, x, 1e-5f), norm.scale), norm.shift);
}
