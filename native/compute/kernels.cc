// Compiled once for each instruction set, KERNELS being its name (CMakeLists.txt). Nothing here may call an
// inline function of a library: the linker would keep one copy for all, perhaps the one this processor cannot
// run.
#include "compute/kernels.h"

#include <type_traits>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#else
#include <ggml.h>
#endif

#define NAME_OF(x) #x
#define STRINGIFY(x) NAME_OF(x)

namespace KERNELS {
namespace {

#include "compute/simd.h"

#ifdef __aarch64__
constexpr int kColumns = 4;  // vectors of columns in a tile
#else
constexpr int kColumns = 2;
#endif
constexpr int kRows = kLanes == 16 ? kBlockRows : 6;  // rows in a tile, at most
constexpr int kDotColumns = 4;                        // rows of weights in a tile of dot products
constexpr int kDotRows = kRegisters == 32 ? 8 : 2;    // rows of activations in it, at most
constexpr int kRowsAhead = 8;                         // of weights, asked for before they are needed
constexpr int kLine = 64;                             // bytes that come from memory at once

int least(int a, int b) {
  return a < b ? a : b;
}

/** Asks for memory that comes next. The processor's own prefetching stops at each page: a step took 7.3 ms
 * without. */
INLINE void expect(const void* address) {
  __builtin_prefetch(address);
}

/** Rows of each part where `rows` come in equal parts of `most` at most. */
int equal_part(int rows, int most) {
  const int count = (rows + most - 1) / most;
  return (rows + count - 1) / count;
}

/** One tile, in registers: rows x `columns` vectors. */
template <int rows, int columns, class T>
INLINE void tile(const float* a, size_t lda, const T* b, size_t ldb, int depth, float* c, size_t ldc,
                 bool accumulate) {
  Vector sums[rows][columns] = {};
  for (int i = 0; i < depth; ++i, b += ldb) {
    Vector w[columns];
#pragma GCC unroll 4
    for (int column = 0; column < columns; ++column) w[column] = load(b + column * kLanes);
    if constexpr (!std::is_same_v<T, float>)
      for (size_t at = 0; at < columns * kLanes; at += kLine / sizeof(T)) expect(b + 16 * ldb + at);
#pragma GCC unroll 16
    for (int row = 0; row < rows; ++row) {
      const Vector x = splat(a[row * lda + i]);
#pragma GCC unroll 4
      for (int column = 0; column < columns; ++column) sums[row][column] += x * w[column];
    }
  }
#pragma GCC unroll 16
  for (int row = 0; row < rows; ++row) {
#pragma GCC unroll 4
    for (int column = 0; column < columns; ++column) {
      float* to = c + row * ldc + column * kLanes;
      store(to, accumulate ? load(to) + sums[row][column] : sums[row][column]);
    }
  }
}

template <int rows>
void packed_tile(const float* a, const float* b, int depth, float* c, size_t ldc, bool accumulate) {
  tile<rows, kColumns>(a, kBlockStride, b, kPanel, depth, c, ldc, accumulate);
}

template <int rows, int columns, class T>
void plain_tile(const float* a, size_t lda, const T* b, size_t ldb, int depth, float* c, size_t ldc) {
  tile<rows, columns>(a, lda, b, ldb, depth, c, ldc, false);
}

/** The tile for a number of rows. */
template <int... rows>
INLINE auto packed_tile_of(int count, std::integer_sequence<int, rows...>) {
  static constexpr decltype(&packed_tile<1>) all[] = {packed_tile<rows + 1>...};
  return all[count - 1];
}

template <int columns, class T, int... rows>
INLINE auto plain_tile_of(int count, std::integer_sequence<int, rows...>) {
  static constexpr decltype(&plain_tile<1, columns, T>) all[] = {plain_tile<rows + 1, columns, T>...};
  return all[count - 1];
}

using Rows = std::make_integer_sequence<int, kRows>;

/** kLanes rows and columns, the rows beyond `valid` being zeros. */
template <bool whole, class T>
INLINE void pack_block(const T* from, size_t ld, int valid, float* to) {
  Vector block[kLanes];
#pragma GCC unroll 16
  for (int row = 0; row < kLanes; ++row) block[row] = whole || row < valid ? load(from + row * ld) : Vector{};
  transpose(block);
#pragma GCC unroll 16
  for (int row = 0; row < kLanes; ++row) store(to + row * kPanel, block[row]);
}

template <class T>
void pack(const T* weights, size_t ld, int rows, int depth, float* packed) {
  for (int panel = 0; panel < rows; panel += kPanel, packed += static_cast<size_t>(depth) * kPanel) {
    for (int column = 0; column < kPanel; column += kLanes) {
      const int valid = rows - panel - column;
      const T* from = weights + (panel + column) * static_cast<ptrdiff_t>(ld);
      float* to = packed + column;
      for (int i = 0; i < depth; i += kLanes) {
        for (int row = 0; row < kLanes; ++row) expect(from + (kLanes + row) * ld + i);
        if (valid >= kLanes)
          pack_block<true>(from + i, ld, valid, to + i * kPanel);
        else
          pack_block<false>(from + i, ld, valid, to + i * kPanel);
      }
    }
  }
}

void multiply(const float* a, int rows, int depth, const float* packed, int columns, float* c, size_t ldc,
              bool accumulate) {
  constexpr int width = kColumns * kLanes;
  const int step = equal_part(rows, kRows);
  for (int row = 0; row < rows; row += step, a += step * kBlockStride, c += step * ldc) {
    const int some = least(rows - row, step);
    const auto run = packed_tile_of(some, Rows());
    for (int column = 0; column < columns; column += width) {
      const float* b = packed + column / kPanel * (static_cast<size_t>(depth) * kPanel) + column % kPanel;
      if (column + width <= columns) {
        run(a, b, depth, c + column, ldc, accumulate);
        continue;
      }
      float edge[kRows * width];
      run(a, b, depth, edge, width, false);
      for (int i = 0; i < some; ++i)
        for (int j = 0; column + j < columns; ++j)
          c[i * ldc + column + j] = (accumulate ? c[i * ldc + column + j] : 0.0f) + edge[i * width + j];
    }
  }
}

template <int columns, class T, class Rows>
void combine_wide(const float* a, size_t lda, int rows, const T* b, size_t ldb, int depth, int count,
                  float* c, size_t ldc, Rows tiles) {
  const int step = equal_part(rows, static_cast<int>(Rows::size()));
  for (int row = 0; row < rows; row += step)
    for (int column = 0; column < count; column += columns * kLanes)
      plain_tile_of<columns, T>(least(rows - row, step), tiles)(a + row * lda, lda, b + column, ldb, depth,
                                                                c + row * ldc + column, ldc);
}

template <class T>
void combine(const float* a, size_t lda, int rows, const T* b, size_t ldb, int depth, int columns, float* c,
             size_t ldc) {
  // few rows leave registers for whole rows of b: memory is read in its order
  constexpr int few = kRegisters / 8 - 1;
  if (rows <= few && columns % (4 * kLanes) == 0)
    combine_wide<4>(a, lda, rows, b, ldb, depth, columns, c, ldc, std::make_integer_sequence<int, few>());
  else
    combine_wide<kColumns>(a, lda, rows, b, ldb, depth, columns, c, ldc, Rows());
}

/** One tile of dot products, their sums in registers; `columns` is kDotColumns or 1. */
template <int rows, int columns, class T>
void dot_tile(const float* a, size_t lda, const T* weights, size_t ldw, int depth, float* c, size_t ldc) {
  Vector totals[rows][columns] = {};
  for (int i = 0; i < depth; i += kLanes) {
    Vector w[columns];
#pragma GCC unroll 4
    for (int column = 0; column < columns; ++column) {
      w[column] = load_once(weights + column * ldw + i);
      expect(weights + (column + kRowsAhead) * ldw + i);
    }
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row) {
      const Vector x = load_once(a + row * lda + i);
#pragma GCC unroll 4
      for (int column = 0; column < columns; ++column) totals[row][column] += x * w[column];
    }
  }
  if constexpr (columns == kDotColumns) {
#pragma GCC unroll 8
    for (int row = 0; row < rows; ++row) sums(totals[row], c + row * ldc);
  } else if constexpr (columns == 2) {
#pragma GCC unroll 4
    for (int row = 0; row < rows; row += 2) {
      const int next = row + 1 < rows ? row + 1 : row;
      const Vector some[4] = {totals[row][0], totals[row][1], totals[next][0], totals[next][1]};
      float to[4];
      sums(some, to);
      __builtin_memcpy(c + row * ldc, to, 2 * sizeof(float));
      __builtin_memcpy(c + next * ldc, to + 2, 2 * sizeof(float));
    }
  } else {
    for (int row = 0; row < rows; ++row) c[row * ldc] = sum(totals[row][0]);
  }
}

template <class T, int rows>
void dot_rows(const float* a, size_t lda, const T* weights, size_t ldw, int columns, int depth, float* c,
              size_t ldc) {
  constexpr int wide = rows > 6 ? 2 : kDotColumns;  // the sums must stay in registers
  int column = 0;
  for (; column + wide <= columns; column += wide) {
    dot_tile<rows, wide>(a, lda, weights + column * ldw, ldw, depth, c + column, ldc);
  }
  for (; column < columns; ++column)
    dot_tile<rows, 1>(a, lda, weights + column * ldw, ldw, depth, c + column, ldc);
}

template <class T, int... rows>
INLINE void dots_of(int count, const float* a, size_t lda, const T* weights, size_t ldw, int columns,
                    int depth, float* c, size_t ldc, std::integer_sequence<int, rows...>) {
  static constexpr decltype(&dot_rows<T, 1>) all[] = {dot_rows<T, rows + 1>...};
  all[count - 1](a, lda, weights, ldw, columns, depth, c, ldc);
}

template <class T>
void dots(const float* a, size_t lda, int rows, const T* weights, size_t ldw, int columns, int depth,
          float* c, size_t ldc) {
  const int step = equal_part(rows, kDotRows);
  for (int row = 0; row < rows; row += step)
    dots_of(least(rows - row, step), a + row * lda, lda, weights, ldw, columns, depth, c + row * ldc, ldc,
            std::make_integer_sequence<int, kDotRows>());
}

/** Blocks of 32 as ggml stores them: a scale, a minimum or none, the fifth bits or none, and two times 16
 * nibbles. */
template <int bits, bool has_minimum>
void dequantise(const void* from, float* to, int64_t count) {
  constexpr int header = has_minimum ? 4 : 2, fifths = bits == 5 ? 4 : 0, lower = 16;
  const Integers lane = counting();
  const auto* block = static_cast<const uint8_t*>(from);
  for (int64_t i = 0; i < count; i += 32, block += header + fifths + lower) {
    half scales[2];
    __builtin_memcpy(scales, block, header);
    const float scale = to_float(scales[0]);
    const float minimum = has_minimum ? to_float(scales[1]) : -scale * (1 << (bits - 1));
    int32_t fifth = 0;
    __builtin_memcpy(&fifth, block + header, fifths);
    for (int j = 0; j < lower; j += kLanes) {
      const Integers nibbles = widen(block + header + fifths + j);
      const Integers low = (nibbles & 15) | ((fifth >> (lane + j) & 1) << 4);
      const Integers high = (nibbles >> 4) | ((fifth >> (lane + j + lower) & 1) << 4);
      store(to + i + j, __builtin_convertvector(low, Vector) * scale + minimum);
      store(to + i + j + lower, __builtin_convertvector(high, Vector) * scale + minimum);
    }
  }
}

/** Blocks of a scale and 32 signed bytes. */
void dequantise_q8_0(const void* from, float* to, int64_t count) {
  const auto* block = static_cast<const uint8_t*>(from);
  for (int64_t i = 0; i < count; i += 32, block += 34) {
    half bits;
    __builtin_memcpy(&bits, block, sizeof bits);
    const float scale = to_float(bits);
    for (int j = 0; j < 32; j += kLanes)
      store(to + i + j, load(reinterpret_cast<const int8_t*>(block) + 2 + j) * scale);
  }
}

float quantise(const float* x, int count, int8_t* to) {
  constexpr float steps = 127.0f;
  Vector all = {};
  for (int i = 0; i < count; i += kLanes) all = greater(greater(load(x + i), -load(x + i)), all);
  float most = 0.0f;
  for (int lane = 0; lane < kLanes; ++lane) most = all[lane] > most ? all[lane] : most;
  const float factor = most > 0.0f ? steps / most : 0.0f;
  for (int i = 0; i < count; i += kLanes) {
    // also what is no number becomes one
    const Vector bounded = -greater(-greater(load(x + i) * factor, splat(-steps)), splat(-steps));
    const Integers rounded = nearest(bounded);
    for (int lane = 0; lane < kLanes; ++lane) to[i + lane] = static_cast<int8_t>(rounded[lane]);
  }
  return most / steps;
}

void finish(const float* x, const float* bias, bool with_gelu, const float* residual, int count, float* y) {
  const auto step = [=](const float* from, const float* add, const float* plus, float* to)
                        __attribute__((always_inline)) {
                          Vector value = load(from);
                          if (add) value += load(add);
                          if (with_gelu) value = gelu(value);
                          if (plus) value += load(plus);
                          store(to, value);
                        };
  int i = 0;
  for (; i + kLanes <= count; i += kLanes)
    step(x + i, bias ? bias + i : nullptr, residual ? residual + i : nullptr, y + i);
  if (i == count) return;
  float from[kLanes] = {}, add[kLanes] = {}, plus[kLanes] = {}, to[kLanes];
  for (int j = 0; i + j < count; ++j) {
    from[j] = x[i + j];
    if (bias) add[j] = bias[i + j];
    if (residual) plus[j] = residual[i + j];
  }
  step(from, add, plus, to);
  for (int j = 0; i + j < count; ++j) y[i + j] = to[j];
}

void normalise(const float* x, const float* scale, const float* shift, int count, float* y) {
  constexpr float epsilon = 1e-5f;
  Vector total = {}, squares = {};
  for (int i = 0; i < count; i += kLanes) total += load(x + i);
  const float mean = sum(total) / static_cast<float>(count);
  for (int i = 0; i < count; i += kLanes) {
    const Vector d = load(x + i) - mean;
    squares += d * d;
  }
  const float factor = 1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(count) + epsilon);
  for (int i = 0; i < count; i += kLanes)
    store(y + i, (load(x + i) - mean) * factor * load(scale + i) + load(shift + i));
}

float maximum(const float* x, int count) {
  float most = x[0];
  int i = 0;
  if (count >= kLanes) {
    Vector all = load(x);
    for (; i + kLanes <= count; i += kLanes) all = greater(load(x + i), all);
    for (int lane = 0; lane < kLanes; ++lane) most = all[lane] > most ? all[lane] : most;
  }
  for (; i < count; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

float exponentials(float* x, int count, float scale, float most) {
  Vector total = {};
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vector y = exponential((load(x + i) - most) * scale);
    store(x + i, y);
    total += y;
  }
  float rest = 0.0f;
  for (; i < count; ++i) {
    x[i] = exponential(splat((x[i] - most) * scale))[0];
    rest += x[i];
  }
  return sum(total) + rest;
}

void scale_each(float* x, int count, const float* factors) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) store(x + i, load(x + i) * load(factors + i));
  for (; i < count; ++i) x[i] *= factors[i];
}

void scale(float* x, int count, float factor) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) store(x + i, load(x + i) * factor);
  for (; i < count; ++i) x[i] *= factor;
}

}  // namespace

const Kernels table = {
    STRINGIFY(KERNELS),
    pack<float>,
    pack<half>,
    multiply,
    dots<float>,
    dots<half>,
    dots<int8_t>,
    combine<half>,
    combine<int8_t>,
    quantise,
    dequantise<4, false>,
    dequantise<4, true>,
    dequantise<5, false>,
    dequantise<5, true>,
    dequantise_q8_0,
    finish,
    normalise,
    maximum,
    exponentials,
    scale,
    scale_each,
};

}  // namespace KERNELS
