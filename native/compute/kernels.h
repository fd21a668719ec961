#pragma once

#include <cstddef>
#include <cstdint>

/** Rows of activations that one block of a product holds, and depth of it; kBlockStride floats from row to
 * row. */
constexpr int kBlockRows = 14;
constexpr int kBlockDepth = 512;
/** Not a power of two: rows of a block must not fall into the same sets of a cache. */
constexpr int kBlockStride = kBlockDepth + 16;
/** Columns of a panel of packed weights: a multiple of every instruction set's tile. */
constexpr int kPanel = 32;
/** All depths (elements of a dot product) are multiples of it. */
constexpr int kDepthStep = 16;

using half = uint16_t;

/**
 * The loops that take the time, compiled once for each instruction set (kernels.cc): f32 arithmetic, plain
 * pointers, no allocation, no state. Strides (names with ld) are in elements.
 */
struct Kernels {
  const char* name;

  /** Transposes `rows` rows of `depth` weights into panels [depth, kPanel], the last one filled up with
   * zeros. */
  void (*pack_f32)(const float* weights, size_t ld, int rows, int depth, float* packed);
  void (*pack_f16)(const half* weights, size_t ld, int rows, int depth, float* packed);
  /** c[rows, columns] (+)= a[rows, depth] * packed: at most kBlockRows rows of stride kBlockStride. */
  void (*multiply)(const float* a, int rows, int depth, const float* packed, int columns, float* c,
                   size_t ldc, bool accumulate);
  /** c[rows, columns] = a[rows, depth] * weights[columns, depth] transposed, without packing: for few rows.
   */
  void (*dots_f32)(const float* a, size_t lda, int rows, const float* weights, size_t ldw, int columns,
                   int depth, float* c, size_t ldc);
  void (*dots_f16)(const float* a, size_t lda, int rows, const half* weights, size_t ldw, int columns,
                   int depth, float* c, size_t ldc);
  void (*dots_i8)(const float* a, size_t lda, int rows, const int8_t* weights, size_t ldw, int columns,
                  int depth, float* c, size_t ldc);
  /** c[rows, columns] = a[rows, depth] * b[depth, columns]; columns in steps of kPanel, at most kBlockRows
   * rows. */
  void (*combine_f16)(const float* a, size_t lda, int rows, const half* b, size_t ldb, int depth, int columns,
                      float* c, size_t ldc);
  void (*combine_i8)(const float* a, size_t lda, int rows, const int8_t* b, size_t ldb, int depth,
                     int columns, float* c, size_t ldc);
  /** x = to * the result, with the result's 127 steps for the largest magnitude. */
  float (*quantise)(const float* x, int count, int8_t* to);

  /** Weights in ggml's blocks of 32 (`count` is a multiple) as f32. */
  using Dequantise = void (*)(const void* from, float* to, int64_t count);
  Dequantise q4_0, q4_1, q5_0, q5_1, q8_0;

  /** y = activation(x + bias) + residual; bias and residual may be nullptr. x may be y. */
  void (*finish)(const float* x, const float* bias, bool gelu, const float* residual, int count, float* y);
  /** y = (x - mean) / deviation * scale + shift. */
  void (*normalise)(const float* x, const float* scale, const float* shift, int count, float* y);
  float (*maximum)(const float* x, int count);
  /** x = exp(scale * (x - maximum)); returns their sum. */
  float (*exponentials)(float* x, int count, float scale, float maximum);
  void (*scale)(float* x, int count, float factor);
  void (*scale_each)(float* x, int count, const float* factors);
};

// One of these for each time that kernels.cc is compiled.
namespace baseline {
extern const Kernels table;
}
#ifdef __x86_64__
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#endif

/** Those for this processor. */
const Kernels& kernels();
