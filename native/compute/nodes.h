#pragma once

#include <cstdint>
#include <vector>

#include "compute/graph.h"

// The nodes that both halves of the model are made of. Activations are f32, one row of `width` a position;
// heads lie side by side in a row. Where the graph's `kernels` is set they are computed by our CPU kernels,
// else by ggml's.

/** Weights [in, out] of any ggml type, and a bias [out] or nullptr. */
struct Linear {
  ggml_tensor* weights;
  ggml_tensor* bias;
};

struct Norm {
  ggml_tensor* scale;
  ggml_tensor* shift;
};

enum class Activation { none, gelu };

/**
 * x [in, rows] -> activation(weights x + bias) + residual, [out, rows]. `residual`: [out, rows] or nullptr.
 * GELU is the reference's, with erf: to 1e-6 in our kernels. At most four tensors of the graph.
 */
ggml_tensor* product(Graph& graph, const Linear& linear, ggml_tensor* x,
                     Activation activation = Activation::none, ggml_tensor* residual = nullptr);

/** Layer normalisation of each row of x [width, rows]. */
ggml_tensor* layer_norm(Graph& graph, const Norm& norm, ggml_tensor* x);

/** softmax(q k / sqrt(width / heads)) v for q, k, v [width, rows], every row seeing every row: [width, rows].
 */
ggml_tensor* self_attention(Graph& graph, ggml_tensor* q, ggml_tensor* k, ggml_tensor* v, int heads);

/**
 * Keys or values in a cache that stays, [width / heads, keys, heads]: f16; or 8 bits, of the difference to
 * the mean of a head, f32 [width / heads, 1, heads], in steps of `scales`, f32 [1, keys, heads]: what they
 * have in common would take many of the steps (SageAttention, Zhang et al. 2024). The mean of keys is never
 * needed: it adds the same to all scores of a row, which softmax takes away.
 */
struct Cached {
  ggml_tensor* values;
  ggml_tensor* scales = nullptr;
  ggml_tensor* mean = nullptr;
};

/**
 * Whether keys and values that every row sees are kept in 8 bits: they are read at each step, and memory is
 * what binds it. ggml's attention takes f16.
 */
bool keeps_bytes(bool kernels, int head_dim);

/** Puts x [width, keys] into the cache. The node is to be added to the graph. */
ggml_tensor* put(Graph& graph, ggml_tensor* x, const Cached& cache);

/** Keys and values that some rows of a query read; those in 8 bits have no `visible`. */
struct Reader {
  /** [first, first + count) of the query's rows. */
  int first;
  int count;
  Cached k;
  Cached v;
  /** For each of the rows the keys it sees, by index; empty: each sees all. */
  std::vector<std::vector<int32_t>> visible;
  /** Where the attention weights of some heads are put: weights[i] is [keys, count] of heads[i]. Empty where
   * there is `visible`. */
  std::vector<int> heads;
  std::vector<float*> weights;
};

/**
 * softmax(q k / sqrt(width / heads)) v, each reader's rows over its own keys: [width, rows]. `after`: nodes
 * that must be computed first (what fills the caches). The readers cover all rows, in order.
 */
ggml_tensor* cached_attention(Graph& graph, ggml_tensor* q, std::vector<Reader> readers, int heads,
                              const std::vector<ggml_tensor*>& after);
