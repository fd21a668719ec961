#include <ggml.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "compute/custom.h"
#include "compute/kernels.h"
#include "compute/nodes.h"
#include "error.h"

namespace {

float scale_of(int head_dim) {
  return 1.0f / std::sqrt(static_cast<float>(head_dim));
}

template <class T>
T* of_head(const ggml_tensor* cache, int head) {
  return reinterpret_cast<T*>(static_cast<char*>(cache->data) + static_cast<size_t>(head) * cache->nb[2]);
}

/**
 * The encoder's attention. A task is a head and some of its rows: keys and values are packed into memory of
 * the thread's own, then kBlockRows rows at a time go through the scores of all keys (blocks of kBlockDepth)
 * to their sum of values.
 */
struct SelfAttention {
  int heads;
  Tasks tasks;

  explicit SelfAttention(int count) : heads(count) {}

  void compute(ggml_tensor* y, int threads) {
    constexpr int kTasksPerThread = 8;
    const int rows = static_cast<int>(y->ne[1]);
    const int chunk = parts(parts(rows, parts(kTasksPerThread * threads, heads)), kBlockRows) * kBlockRows;
    tasks.share(heads * parts(rows, chunk), threads, [&](int task) {
      const int first = task / heads * chunk;
      attend(y, task % heads, first, std::min(chunk, rows - first));
    });
  }

  void attend(ggml_tensor* y, int head, int first, int count) const {
    const Kernels& k = kernels();
    const ggml_tensor *q = y->src[0], *keys = y->src[1], *values = y->src[2];
    const int dim = static_cast<int>(y->ne[0]) / heads, offset = head * dim,
              rows = static_cast<int>(y->ne[1]);
    const int blocks = parts(rows, kBlockDepth), columns = parts(dim, kPanel) * kPanel;
    const size_t packed = static_cast<size_t>(blocks) * kBlockDepth * columns;
    constexpr int kBlock = kBlockRows * kBlockStride;
    float* packed_keys = scratch(2 * packed + static_cast<size_t>(blocks + 1) * kBlock);
    float* packed_values = packed_keys + packed;
    float* query = packed_values + packed;
    float* scores = query + kBlock;

    for (int block = 0; block < blocks; ++block) {
      const int from = block * kBlockDepth, depth = std::min(kBlockDepth, rows - from);
      k.pack_f32(row_of<const float>(keys, from) + offset, stride_of<float>(keys), depth, dim,
                 packed_keys + from * columns);
      pack_values(values, from, depth, offset, dim, packed_values + from * columns);
    }
    for (int row = first; row < first + count; row += kBlockRows) {
      const int some = std::min(kBlockRows, first + count - row);
      for (int i = 0; i < some; ++i)
        std::memcpy(query + i * kBlockStride, row_of<const float>(q, row + i) + offset, dim * sizeof(float));
      for (int block = 0; block < blocks; ++block) {
        const int from = block * kBlockDepth, depth = std::min(kBlockDepth, rows - from);
        k.multiply(query, some, dim, packed_keys + from * columns, parts(depth, kPanel) * kPanel,
                   scores + block * kBlock, kBlockStride, false);
      }
      float sums[kBlockRows];
      for (int i = 0; i < some; ++i) sums[i] = softmax(scores + i * kBlockStride, rows, scale_of(dim));
      for (int block = 0; block < blocks; ++block) {
        const int from = block * kBlockDepth, depth = std::min(kBlockDepth, rows - from);
        k.multiply(scores + block * kBlock, some, depth, packed_values + from * columns, dim,
                   row_of<float>(y, row) + offset, stride_of<float>(y), block > 0);
      }
      for (int i = 0; i < some; ++i) k.scale(row_of<float>(y, row + i) + offset, dim, 1.0f / sums[i]);
    }
  }

  /** Rows of a head's values as panels [depth, kPanel]. */
  static void pack_values(const ggml_tensor* values, int from, int depth, int offset, int dim,
                          float* packed) {
    for (int column = 0; column < dim; column += kPanel, packed += depth * kPanel)
      for (int i = 0; i < depth; ++i)
        std::memcpy(packed + i * kPanel, row_of<const float>(values, from + i) + offset + column,
                    std::min(kPanel, dim - column) * sizeof(float));
  }

  /** Exponentials of a row that lies in blocks; returns their sum. */
  static float softmax(float* row, int count, float scale) {
    const Kernels& k = kernels();
    const auto each = [&](auto&& use) {
      for (int from = 0; from < count; from += kBlockDepth, row += kBlockRows * kBlockStride)
        use(row, std::min(kBlockDepth, count - from));
      row -= static_cast<ptrdiff_t>(parts(count, kBlockDepth)) * kBlockRows * kBlockStride;
    };
    float most = -INFINITY, sum = 0.0f;
    each([&](float* x, int n) { most = std::max(most, k.maximum(x, n)); });
    each([&](float* x, int n) { sum += k.exponentials(x, n, scale, most); });
    return sum;
  }
};

/** Keys or values in 8 bits. A task is a head. */
struct Quantise {
  Cached cache;
  Tasks tasks;

  explicit Quantise(const Cached& to) : cache(to) {}

  void compute(ggml_tensor* y, int threads) {
    const ggml_tensor* x = y->src[0];
    const int keys = static_cast<int>(cache.values->ne[1]), dim = static_cast<int>(cache.values->ne[0]);
    tasks.share(static_cast<int>(cache.values->ne[2]), threads, [&](int head) {
      auto* bytes = of_head<int8_t>(cache.values, head);
      auto* scales = of_head<float>(cache.scales, head);
      auto* mean = of_head<float>(cache.mean, head);
      float* centred = scratch(dim);
      const auto row = [&](int key) { return row_of<const float>(x, key) + head * dim; };
      std::fill_n(mean, dim, 0.0f);
      for (int key = 0; key < keys; ++key) std::transform(mean, mean + dim, row(key), mean, std::plus<>());
      kernels().scale(mean, dim, 1.0f / static_cast<float>(keys));
      for (int key = 0; key < keys; ++key) {
        std::transform(row(key), row(key) + dim, mean, centred, std::minus<>());
        scales[key] = kernels().quantise(centred, dim, bytes + key * dim);
      }
    });
  }
};

/** The decoder's attention. A task is a head of a reader. */
struct CachedAttention {
  std::vector<Reader> readers;
  int heads;
  Tasks tasks;

  CachedAttention(std::vector<Reader> of, int count) : readers(std::move(of)), heads(count) {}

  void compute(ggml_tensor* y, int threads) {
    tasks.share(static_cast<int>(readers.size()) * heads, threads, [&](int task) {
      const Reader& reader = readers[task / heads];
      const int head = task % heads;
      if (reader.k.scales)
        read_all(y, reader, head);
      else
        read_visible(y, reader, head);
    });
  }

  void read_all(ggml_tensor* y, const Reader& reader, int head) const {
    const Kernels& kernel = kernels();
    const ggml_tensor* q = y->src[0];
    const int keys = static_cast<int>(reader.k.values->ne[1]), dim = static_cast<int>(y->ne[0]) / heads;
    const size_t stride = static_cast<size_t>(parts(keys, kDepthStep) + 1) * kDepthStep;
    float* scores = scratch(stride * kBlockRows);
    for (int row = 0; row < reader.count; row += kBlockRows) {
      const int rows = std::min(kBlockRows, reader.count - row), at = reader.first + row;
      kernel.dots_i8(row_of<const float>(q, at) + head * dim, stride_of<float>(q), rows,
                     of_head<int8_t>(reader.k.values, head), dim, keys, dim, scores, stride);
      for (int i = 0; i < rows; ++i) {
        float* weights = scores + i * stride;
        kernel.scale_each(weights, keys, of_head<float>(reader.k.scales, head));
        softmax(weights, keys, dim);
        tell(weights, reader, row + i, head);
        kernel.scale_each(weights, keys, of_head<float>(reader.v.scales, head));
      }
      float* sums = row_of<float>(y, at) + head * dim;
      kernel.combine_i8(scores, stride, rows, of_head<int8_t>(reader.v.values, head), dim, keys, dim, sums,
                        stride_of<float>(y));
      for (int i = 0; i < rows; ++i, sums += stride_of<float>(y))
        kernel.finish(sums, of_head<float>(reader.v.mean, head), false, nullptr, dim, sums);
    }
  }

  /** Each row's keys and values are gathered first. */
  void read_visible(ggml_tensor* y, const Reader& reader, int head) const {
    const Kernels& kernel = kernels();
    const ggml_tensor *k = reader.k.values, *v = reader.v.values;
    const size_t dim = k->ne[0];
    for (int row = 0; row < reader.count; ++row) {
      const std::vector<int32_t>& visible = reader.visible[row];
      const int keys = static_cast<int>(visible.size());
      float* weights = scratch(keys * (dim + 1) + kDepthStep);
      half* some_k = reinterpret_cast<half*>(weights + parts(keys, kDepthStep) * kDepthStep);
      half* some_v = some_k + keys * dim;
      for (int i = 0; i < keys; ++i) {
        std::memcpy(some_k + i * dim, of_head<half>(k, head) + visible[i] * stride_of<half>(k),
                    dim * sizeof(half));
        std::memcpy(some_v + i * dim, of_head<half>(v, head) + visible[i] * stride_of<half>(v),
                    dim * sizeof(half));
      }
      const int at = reader.first + row, size = static_cast<int>(dim);
      kernel.dots_f16(row_of<const float>(y->src[0], at) + head * dim, 0, 1, some_k, dim, keys, size, weights,
                      0);
      softmax(weights, keys, size);
      kernel.combine_f16(weights, 0, 1, some_v, dim, keys, size, row_of<float>(y, at) + head * dim, 0);
    }
  }

  static void softmax(float* scores, int keys, int dim) {
    const Kernels& kernel = kernels();
    const float sum = kernel.exponentials(scores, keys, scale_of(dim), kernel.maximum(scores, keys));
    kernel.scale(scores, keys, 1.0f / sum);
  }

  static void tell(const float* weights, const Reader& reader, int row, int head) {
    const int64_t keys = reader.k.values->ne[1];
    for (size_t i = 0; i < reader.heads.size(); ++i)
      if (reader.heads[i] == head) std::memcpy(reader.weights[i] + row * keys, weights, keys * sizeof(float));
  }
};

/** [width, rows] -> a view [head_dim, rows, heads]. */
ggml_tensor* split_heads(ggml_context* context, ggml_tensor* x, int heads) {
  return ggml_permute(context, ggml_reshape_3d(context, x, x->ne[0] / heads, heads, x->ne[1]), 0, 2, 1, 3);
}

/** ggml's attention for q [width, rows] over k, v [head_dim, keys, heads], both f16. */
ggml_tensor* flash_attention(ggml_context* context, ggml_tensor* q, ggml_tensor* k, ggml_tensor* v,
                             ggml_tensor* mask, int heads) {
  ggml_tensor* result = ggml_flash_attn_ext(context, split_heads(context, q, heads), k, v, mask,
                                            scale_of(static_cast<int>(q->ne[0]) / heads), 0.0f, 0.0f);
  ggml_flash_attn_ext_set_prec(result, GGML_PREC_F32);
  return ggml_reshape_2d(context, result, q->ne[0], q->ne[1]);
}

/** 0 for the keys that a row sees, -inf for the others. */
ggml_tensor* mask_of(Graph& graph, const Reader& reader) {
  if (reader.visible.empty()) return nullptr;
  const int64_t keys = reader.k.values->ne[1];
  std::vector<ggml_fp16_t> mask(keys * reader.count, ggml_fp32_to_fp16(-INFINITY));
  for (int row = 0; row < reader.count; ++row)
    for (const int32_t key : reader.visible[row]) mask[row * keys + key] = ggml_fp32_to_fp16(0.0f);
  return graph.constant(GGML_TYPE_F16, mask, keys, reader.count);
}

/** Flash attention keeps its weights to itself: those that are wanted are computed once more. */
void download_weights(Graph& graph, ggml_tensor* q, const Reader& reader, int heads) {
  if (reader.heads.empty()) return;
  ggml_context* context = graph.context();
  ggml_tensor* weights = ggml_mul_mat(context, reader.k.values, split_heads(context, q, heads));
  weights = ggml_soft_max_ext(context, weights, nullptr, scale_of(static_cast<int>(q->ne[0]) / heads), 0.0f);
  for (size_t i = 0; i < reader.heads.size(); ++i) {
    ggml_tensor* head = ggml_view_2d(context, weights, weights->ne[0], weights->ne[1], weights->nb[1],
                                     static_cast<size_t>(reader.heads[i]) * weights->nb[2]);
    graph.download(ggml_cont(context, head), reader.weights[i]);
  }
}

bool fits_kernels(bool kernels, int64_t head_dim) {
  return kernels && head_dim % kPanel == 0;
}

}  // namespace

bool keeps_bytes(bool kernels, int head_dim) {
  return fits_kernels(kernels, head_dim);
}

ggml_tensor* put(Graph& graph, ggml_tensor* x, const Cached& cache) {
  if (cache.scales) return custom<Quantise>(graph, 1, 1, {x}, cache);
  const int heads = static_cast<int>(cache.values->ne[2]);
  return ggml_cpy(graph.context(), split_heads(graph.context(), x, heads), cache.values);
}

ggml_tensor* self_attention(Graph& graph, ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, int heads) {
  if (fits_kernels(graph.kernels(), q->ne[0] / heads))
    return custom<SelfAttention>(graph, q->ne[0], q->ne[1], {q, k, v}, heads);
  ggml_context* context = graph.context();
  const auto half_of = [&](ggml_tensor* x) {
    return ggml_cast(context, split_heads(context, x, heads), GGML_TYPE_F16);
  };
  return flash_attention(context, q, half_of(k), half_of(v), nullptr, heads);
}

ggml_tensor* cached_attention(Graph& graph, ggml_tensor* q, std::vector<Reader> readers, int heads,
                              const std::vector<ggml_tensor*>& after) {
  for (ggml_tensor* node : after) graph.add(node);
  if (fits_kernels(graph.kernels(), q->ne[0] / heads))
    return custom<CachedAttention>(graph, q->ne[0], q->ne[1], {q}, std::move(readers), heads);
  ggml_context* context = graph.context();
  ggml_tensor* all = nullptr;
  for (const Reader& reader : readers) {
    ggml_tensor* rows = ggml_view_2d(context, q, q->ne[0], reader.count, q->nb[1],
                                     static_cast<size_t>(reader.first) * q->nb[1]);
    ggml_tensor* some =
        flash_attention(context, rows, reader.k.values, reader.v.values, mask_of(graph, reader), heads);
    download_weights(graph, rows, reader, heads);
    all = all ? ggml_concat(context, all, some, 1) : some;
  }
  return all;
}
