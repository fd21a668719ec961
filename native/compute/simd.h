#pragma once

// Vectors of f32 as wide as the instruction set that the including file is compiled for. Only kernels.cc
// includes this, inside its namespace: everything here is internal to one instruction set.

#ifdef __AVX512F__
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif
constexpr int kLanes = kBytes / 4;

typedef float Vector __attribute__((vector_size(kBytes)));
typedef float LooseVector __attribute__((vector_size(kBytes), aligned(4), may_alias));
typedef int32_t Integers __attribute__((vector_size(kBytes)));

#define INLINE inline __attribute__((always_inline))

INLINE Vector splat(float x) {
  return x - Vector{};
}

INLINE Vector load(const float* from) {
  return *reinterpret_cast<const LooseVector*>(from);
}

INLINE Vector load(const half* from) {
#ifdef __AVX512F__
  // Not _mm512_cvtph_ps: GCC 12 warns of the undefined value in its own header.
  return _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(__AVX2__)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#elif defined(__aarch64__)
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from)));
#else
  Vector x;
  for (int i = 0; i < kLanes; ++i) x[i] = ggml_fp16_to_fp32(from[i]);
  return x;
#endif
}

INLINE Vector load(const int8_t* from) {
#ifdef __AVX512F__
  return _mm512_maskz_cvtepi32_ps(
      0xffff, _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#elif defined(__aarch64__)
  int32_t bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(bytes))))));
#else
  Vector x;
  for (int i = 0; i < kLanes; ++i) x[i] = from[i];
  return x;
#endif
}

/** For a vector that is used more than once: without this GCC loads it for each use. */
template <class T>
INLINE Vector load_once(const T* from) {
  Vector x = load(from);
#ifdef __x86_64__
  asm("" : "+v"(x));
#endif
  return x;
}

INLINE float to_float(half x) {
#ifdef __AVX2__
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(x)));
#elif defined(__aarch64__)
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(x))), 0);
#else
  return ggml_fp16_to_fp32(x);
#endif
}

/** kLanes bytes as integers. (GCC 12 makes __builtin_convertvector of them a byte at a time.) */
INLINE Integers widen(const uint8_t* from) {
#ifdef __AVX512F__
  return reinterpret_cast<Integers>(
      _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  return reinterpret_cast<Integers>(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#elif defined(__aarch64__)
  uint32_t bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes))))));
#else
  Integers x;
  for (int i = 0; i < kLanes; ++i) x[i] = from[i];
  return x;
#endif
}

/** 0, 1, 2 ... */
INLINE Integers counting() {
  Integers x;
  for (int i = 0; i < kLanes; ++i) x[i] = i;
  return x;
}

INLINE void store(float* to, Vector x) {
  *reinterpret_cast<LooseVector*>(to) = x;
}

INLINE Vector greater(Vector a, Vector b) {
  return a > b ? a : b;
}

/** Lane i of the result: lanes i / 2 of a (even i) and b (odd i), of their lower or upper halves. */
template <bool upper, int... i>
INLINE Vector zip(Vector a, Vector b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, ((upper ? kLanes / 2 : 0) + i / 2 + (i % 2 ? kLanes : 0))...);
}

/** As many vectors as they have lanes. Each round of zips rotates the bits of (row, lane) by one. */
INLINE void transpose(Vector (&rows)[kLanes]) {
  using Lanes = std::make_integer_sequence<int, kLanes>;
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    Vector next[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = zip<false>(rows[i], rows[i + kLanes / 2], Lanes());
      next[2 * i + 1] = zip<true>(rows[i], rows[i + kLanes / 2], Lanes());
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

/** x with its lanes i and i ^ step swapped. */
template <int step, int... i>
INLINE Vector swapped(Vector x, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(x, x, (i ^ step)...);
}

template <int step = kLanes / 2>
INLINE float sum(Vector x) {
  x += swapped<step>(x, std::make_integer_sequence<int, kLanes>());
  if constexpr (step > 1)
    return sum<step / 2>(x);
  else
    return x[0];
}

/** to[i] = the sum of x[i]. */
INLINE void sums(const Vector (&x)[4], float* to) {
  const auto merged = [](Vector a, Vector b) __attribute__((always_inline)) {
    using Lanes = std::make_integer_sequence<int, kLanes>;
    return zip<false>(a, b, Lanes()) + zip<true>(a, b, Lanes());
  };
  Vector all = merged(merged(x[0], x[2]), merged(x[1], x[3]));
  if constexpr (kLanes > 8) all += swapped<8>(all, std::make_integer_sequence<int, kLanes>());
  if constexpr (kLanes > 4) all += swapped<4>(all, std::make_integer_sequence<int, kLanes>());
  __builtin_memcpy(to, &all, 4 * sizeof(float));
}

constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: an added number is rounded to an integer in the low bits

/** x rounded, of a magnitude below 2^22. */
INLINE Integers nearest(Vector x) {
  return reinterpret_cast<Integers>(x + kMagic) - reinterpret_cast<Integers>(splat(kMagic));
}

/** exp(x) for x <= 0, 0 below -87, to 2e-7 of the value: 2^n e^r with |r| <= ln(2)/2, Taylor's series for
 * e^r. */
INLINE Vector exponential(Vector x) {
  x = greater(x, splat(-87.0f));
  const Vector shifted = x * 1.44269504f + kMagic;
  const Vector n = shifted - kMagic;
  const Vector r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector p = splat(1.0f / 720);
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return reinterpret_cast<Vector>(reinterpret_cast<Integers>(p) +
                                  (reinterpret_cast<Integers>(shifted) << 23));
}

/** x (1 + erf(x / sqrt 2)) / 2 to 1e-6, with erf after Abramowitz and Stegun, 7.1.26. */
INLINE Vector gelu(Vector x) {
  const Vector zero = {};
  const Vector magnitude = greater(x, -x);
  const Vector t = 1.0f / (1.0f + (0.3275911f * 0.70710678f) * magnitude);
  Vector p = splat(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  return greater(x, zero) - 0.5f * magnitude * p * t * exponential(-0.5f * x * x);
}
