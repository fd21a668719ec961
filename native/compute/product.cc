#include <ggml-backend.h>
#include <ggml.h>

#include <algorithm>
#include <cstring>

#include "compute/custom.h"
#include "compute/kernels.h"
#include "compute/nodes.h"

namespace {

/** More rows than these are worth packing the weights for. */
constexpr int kFewRows = 24;
/** For fewer rows, ggml's integer arithmetic on quantised weights is faster than making f32 of them. */
constexpr int kLeastQuantisedRows = 3;
/** Columns of weights that a thread packs at once, at most: half a megabyte, for the second-level cache. */
constexpr int kMostColumns = 256;
/** Weights' rows in a task where they are read in place. */
constexpr int kDotColumns = 48;
/** Tasks for each thread, so that one that is held up holds up the others little. */
constexpr int kTasksPerThread = 4;

/** What follows the multiplication, over a rectangle of y. */
struct Finish {
  const ggml_tensor* bias;
  bool gelu;
  const ggml_tensor* residual;

  void operator()(ggml_tensor* y, int row, int rows, int column, int columns) const {
    if (!bias && !gelu && !residual) return;
    for (int i = row; i < row + rows; ++i) apply(row_of<const float>(y, i) + column, y, i, column, columns);
  }
  void apply(const float* x, ggml_tensor* y, int row, int column, int columns) const {
    kernels().finish(x, bias ? static_cast<const float*>(bias->data) + column : nullptr, gelu,
                     residual ? row_of<const float>(residual, row) + column : nullptr, columns,
                     row_of<float>(y, row) + column);
  }
};

Kernels::Dequantise dequantise_of(ggml_type type) {
  const Kernels& k = kernels();
  switch (type) {
    case GGML_TYPE_Q4_0:
      return k.q4_0;
    case GGML_TYPE_Q4_1:
      return k.q4_1;
    case GGML_TYPE_Q5_0:
      return k.q5_0;
    case GGML_TYPE_Q5_1:
      return k.q5_1;
    case GGML_TYPE_Q8_0:
      return k.q8_0;
    default:
      return ggml_get_type_traits(type)->to_float;
  }
}

/** Weights as f32: rows from `column`, elements from `first` of each. */
void dequantise(const ggml_tensor* weights, int column, int columns, int first, int depth, float* to) {
  const auto to_float = dequantise_of(weights->type);
  const size_t offset = ggml_row_size(weights->type, first);
  for (int i = 0; i < columns; ++i)
    to_float(row_of<const char>(weights, column + i) + offset, to + i * depth, depth);
}

void pack(const ggml_tensor* weights, int column, int columns, int first, int depth, float* packed,
          float* rows) {
  const Kernels& k = kernels();
  if (weights->type == GGML_TYPE_F32)
    return k.pack_f32(row_of<const float>(weights, column) + first, stride_of<float>(weights), columns, depth,
                      packed);
  if (weights->type == GGML_TYPE_F16)
    return k.pack_f16(row_of<const half>(weights, column) + first, stride_of<half>(weights), columns, depth,
                      packed);
  for (int i = 0; i < columns; i += kPanel) {
    const int count = std::min(kPanel, columns - i);
    dequantise(weights, column + i, count, first, depth, rows);
    k.pack_f32(rows, depth, count, depth, packed + static_cast<size_t>(i) * depth);
  }
}

/** Many rows: weights are packed, activations copied into blocks that fit the first-level cache. */
struct Packed {
  const ggml_tensor* weights;
  Finish finish;
  Tasks tasks;

  Packed(const ggml_tensor* of, Finish then) : weights(of), finish(then) {}

  void compute(ggml_tensor* y, int threads) {
    const int in = static_cast<int>(weights->ne[0]), out = static_cast<int>(y->ne[0]);
    const int rows = static_cast<int>(y->ne[1]), wanted = kTasksPerThread * threads;
    int columns = kMostColumns;
    while (columns > kPanel && parts(out, columns) * parts(rows, 8 * kBlockRows) < wanted) columns /= 2;
    const int groups = parts(out, columns);
    const int chunk = parts(parts(rows, parts(wanted, groups)), kBlockRows) * kBlockRows;
    const int depth = std::min(in, kBlockDepth);
    tasks.share(groups * parts(rows, chunk), threads, [&](int task) {
      const int column = task % groups * columns, row = task / groups * chunk;
      float* packed = scratch(static_cast<size_t>(columns + kPanel) * depth + kBlockRows * kBlockStride);
      float* block = packed + static_cast<size_t>(columns) * depth;
      for (int first = 0; first < in; first += depth)
        multiply(y, row, std::min(chunk, rows - row), column, std::min(columns, out - column), first,
                 std::min(depth, in - first), packed, block);
    });
  }

  /** Adds to a rectangle of y what elements [first, first + depth) of a dot product are. */
  void multiply(ggml_tensor* y, int row, int rows, int column, int columns, int first, int depth,
                float* packed, float* block) const {
    const ggml_tensor* x = y->src[0];
    pack(weights, column, columns, first, depth, packed, block + kBlockRows * kBlockStride);
    for (int i = row; i < row + rows; i += kBlockRows) {
      const int count = std::min(kBlockRows, row + rows - i);
      for (int j = 0; j < count; ++j)
        std::memcpy(block + j * kBlockStride, row_of<const float>(x, i + j) + first, depth * sizeof(float));
      kernels().multiply(block, count, depth, packed, columns, row_of<float>(y, i) + column,
                         stride_of<float>(y), first > 0);
      if (first + depth == weights->ne[0]) finish(y, i, count, column, columns);
    }
  }
};

/** Few rows: as fast as the weights come from memory. */
struct Dots {
  const ggml_tensor* weights;
  Finish finish;
  Tasks tasks;

  Dots(const ggml_tensor* of, Finish then) : weights(of), finish(then) {}

  void compute(ggml_tensor* y, int threads) {
    const int out = static_cast<int>(y->ne[0]);
    tasks.share(parts(out, kDotColumns), threads, [&](int task) {
      const int column = task * kDotColumns, columns = std::min(kDotColumns, out - column);
      multiply(y, column, columns);
      finish(y, 0, static_cast<int>(y->ne[1]), column, columns);
    });
  }

  void multiply(ggml_tensor* y, int column, int columns) const {
    const Kernels& k = kernels();
    const ggml_tensor* x = y->src[0];
    const int in = static_cast<int>(x->ne[0]), rows = static_cast<int>(x->ne[1]);
    const auto* a = static_cast<const float*>(x->data);
    auto* c = static_cast<float*>(y->data) + column;
    const size_t lda = stride_of<float>(x), ldc = stride_of<float>(y);
    if (weights->type == GGML_TYPE_F16)
      return k.dots_f16(a, lda, rows, row_of<const half>(weights, column), stride_of<half>(weights), columns,
                        in, c, ldc);
    if (weights->type == GGML_TYPE_F32)
      return k.dots_f32(a, lda, rows, row_of<const float>(weights, column), stride_of<float>(weights),
                        columns, in, c, ldc);
    constexpr int kSome = 4;
    float* some = scratch(static_cast<size_t>(kSome) * in);
    for (int i = 0; i < columns; i += kSome) {
      const int count = std::min(kSome, columns - i);
      dequantise(weights, column + i, count, 0, in, some);
      k.dots_f32(a, lda, rows, some, in, count, in, c + i, ldc);
    }
  }
};

/** After ggml's multiplication. */
struct FinishOnly {
  Finish finish;
  Tasks tasks;

  explicit FinishOnly(Finish then) : finish(then) {}

  void compute(ggml_tensor* y, int threads) {
    const int out = static_cast<int>(y->ne[0]), per_row = parts(out, kMostColumns);
    tasks.share(static_cast<int>(y->ne[1]) * per_row, threads, [&](int task) {
      const int row = task / per_row, column = task % per_row * kMostColumns;
      finish.apply(row_of<const float>(y->src[0], row) + column, y, row, column,
                   std::min(kMostColumns, out - column));
    });
  }
};

ggml_tensor* by_kernels(Graph& graph, const Linear& linear, ggml_tensor* x, Activation activation,
                        ggml_tensor* residual) {
  const ggml_tensor* weights = linear.weights;
  const int64_t out = weights->ne[1], rows = x->ne[1];
  const Finish finish{linear.bias, activation == Activation::gelu, residual};
  std::vector<ggml_tensor*> sources = {x};
  if (residual) sources.push_back(residual);
  // ggml may keep weights in an order of its own (its repacking buffers): those it must multiply itself.
  const bool readable = !weights->buffer || ggml_backend_buffer_is_host(weights->buffer);
  const bool plain = weights->type == GGML_TYPE_F16 || weights->type == GGML_TYPE_F32;
  if (readable && weights->ne[0] % kDepthStep == 0 && (plain || rows >= kLeastQuantisedRows)) {
    if (rows > kFewRows) return custom<Packed>(graph, out, rows, std::move(sources), weights, finish);
    return custom<Dots>(graph, out, rows, std::move(sources), weights, finish);
  }
  sources[0] = ggml_mul_mat(graph.context(), linear.weights, x);
  if (!finish.bias && !finish.gelu && !residual) return sources[0];
  return custom<FinishOnly>(graph, out, rows, std::move(sources), finish);
}

}  // namespace

ggml_tensor* product(Graph& graph, const Linear& linear, ggml_tensor* x, Activation activation,
                     ggml_tensor* residual) {
  if (graph.kernels()) return by_kernels(graph, linear, x, activation, residual);
  ggml_context* context = graph.context();
  ggml_tensor* y = ggml_mul_mat(context, linear.weights, x);
  if (linear.bias) y = ggml_add(context, y, linear.bias);
  if (activation == Activation::gelu) y = ggml_gelu_erf(context, y);
  if (residual) y = ggml_add(context, y, residual);
  return y;
}
