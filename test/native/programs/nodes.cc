// The nodes on our kernels against sums in double precision, in shapes that fill no block evenly; and the
// kernels of each instruction set that this processor has. Ends with 1 after the first difference.
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "compute/graph.h"
#include "compute/kernels.h"
#include "compute/nodes.h"

namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Build = std::function<ggml_tensor*(Graph&)>;

Floats noise(size_t count) {
  static std::mt19937 generator(1);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  Floats values(count);
  for (float& value : values) value = normal(generator);
  return values;
}

/** Relative to the largest value, or to 1. */
template <class Actual>
void expect_near(const std::string& what, const Actual& actual, const Doubles& expected, double tolerance) {
  double most = 1.0, error = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    most = std::max(most, std::abs(expected[i]));
    error = std::isnan(difference) ? INFINITY : std::max(error, difference);
  }
  if (error <= tolerance * most) return;
  std::printf("%s: off by %g of %g\n", what.c_str(), error, most);
  std::exit(1);
}

/** Tensors with values, and graphs over them. */
class Bench {
 public:
  ggml_tensor* tensor(ggml_type type, int64_t ne0, int64_t ne1) {
    ggml_tensor* made = ggml_new_tensor_2d(context_.get(), type, ne0, ne1);
    auto& memory = memory_.emplace_back(std::make_unique<std::vector<std::byte>>(ggml_nbytes(made)));
    made->data = memory->data();
    const Floats values = noise(ne0 * ne1);
    if (type == GGML_TYPE_I8) return made;
    if (type == GGML_TYPE_F32)
      std::memcpy(made->data, values.data(), ggml_nbytes(made));
    else
      ggml_quantize_chunk(type, values.data(), made->data, 0, ne1, ne0, nullptr);
    return made;
  }
  static Floats values(const ggml_tensor* tensor) {
    Floats all(ggml_nelements(tensor));
    if (tensor->type == GGML_TYPE_F32)
      std::memcpy(all.data(), tensor->data, ggml_nbytes(tensor));
    else
      ggml_get_type_traits(tensor->type)
          ->to_float(tensor->data, all.data(), static_cast<int64_t>(all.size()));
    return all;
  }
  /** Twice, since what a graph keeps must be as new for the second time. */
  static Floats compute(const Build& build) {
    Graph graph(64, true);
    ggml_tensor* result = build(graph);
    ggml_set_output(result);
    graph.add(result);
    const std::unique_ptr<ggml_backend, decltype(&ggml_backend_free)> cpu(ggml_backend_cpu_init(),
                                                                          ggml_backend_free);
    ggml_backend_cpu_set_n_threads(cpu.get(), 3);
    const std::unique_ptr<ggml_gallocr, decltype(&ggml_gallocr_free)> memory(
        ggml_gallocr_new(ggml_backend_cpu_buffer_type()), ggml_gallocr_free);
    ggml_gallocr_alloc_graph(memory.get(), graph.cgraph());
    for (int i = 0; i < 2; ++i) ggml_backend_graph_compute(cpu.get(), graph.cgraph());
    return values(result);
  }
  ggml_context* context() { return context_.get(); }

 private:
  std::unique_ptr<ggml_context, decltype(&ggml_free)> context_{ggml_init({1 << 20, nullptr, true}),
                                                               ggml_free};
  std::vector<std::unique_ptr<std::vector<std::byte>>> memory_;
};

double gelu_of(double x) {
  return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
}

void test_product(ggml_type type, int rows, int in, int out) {
  Bench bench;
  ggml_tensor *w = bench.tensor(type, in, out), *x = bench.tensor(GGML_TYPE_F32, in, rows);
  ggml_tensor *bias = bench.tensor(GGML_TYPE_F32, out, 1), *residual = bench.tensor(GGML_TYPE_F32, out, rows);
  const Floats weights = Bench::values(w), a = Bench::values(x), b = Bench::values(bias),
               c = Bench::values(residual);
  Doubles plain(rows * out), whole(rows * out);
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < out; ++column) {
      const int at = row * out + column;
      for (int i = 0; i < in; ++i)
        plain[at] += static_cast<double>(weights[column * in + i]) * a[row * in + i];
      whole[at] = gelu_of(plain[at] + b[column]) + c[at];
    }
  }
  const std::string name = std::string("product ") + ggml_type_name(type) + " " + std::to_string(rows) +
                           " rows to " + std::to_string(out);
  // For a few rows other types are left to ggml, which rounds the activations.
  const bool by_ggml = type != GGML_TYPE_F32 && type != GGML_TYPE_F16 && rows < 3;
  const double tolerance = by_ggml ? 0.03 : 1e-5;
  expect_near(name, Bench::compute([&](Graph& graph) { return product(graph, {w, nullptr}, x); }), plain,
              tolerance);
  expect_near(name + " and more", Bench::compute([&](Graph& graph) {
                return product(graph, {w, bias}, x, Activation::gelu, residual);
              }),
              whole, tolerance);
}

void test_norm(int rows, int width) {
  Bench bench;
  ggml_tensor *x = bench.tensor(GGML_TYPE_F32, width, rows), *scale = bench.tensor(GGML_TYPE_F32, width, 1);
  ggml_tensor* shift = bench.tensor(GGML_TYPE_F32, width, 1);
  const Floats a = Bench::values(x), b = Bench::values(scale), c = Bench::values(shift);
  Doubles expected(rows * width);
  for (int row = 0; row < rows; ++row) {
    const float* from = &a[row * width];
    double mean = 0.0, variance = 0.0;
    for (int i = 0; i < width; ++i) mean += from[i] / static_cast<double>(width);
    for (int i = 0; i < width; ++i) variance += (from[i] - mean) * (from[i] - mean) / width;
    for (int i = 0; i < width; ++i)
      expected[row * width + i] = (from[i] - mean) / std::sqrt(variance + 1e-5) * b[i] + c[i];
  }
  expect_near("layer_norm",
              Bench::compute([&](Graph& graph) { return layer_norm(graph, {scale, shift}, x); }), expected,
              1e-5);
}

/** One row of one head over some keys; the softmax is left in `weights`, by key. */
void attend(const float* q, const Floats& keys, const Floats& values, const std::vector<int>& visible,
            int width, int offset, int dim, double* weights, double* y) {
  double sum = 0.0;
  for (const int key : visible) {
    double score = 0.0;
    for (int i = offset; i < offset + dim; ++i) score += static_cast<double>(q[i]) * keys[key * width + i];
    sum += weights[key] = std::exp(score / std::sqrt(dim));
  }
  for (const int key : visible) {
    weights[key] /= sum;
    for (int i = offset; i < offset + dim; ++i) y[i] += weights[key] * values[key * width + i];
  }
}

std::vector<int> every(int step, int first, int count) {
  std::vector<int> all;
  for (int i = first; i < count; i += step) all.push_back(i);
  return all;
}

void test_self_attention(int rows, int width, int heads) {
  Bench bench;
  ggml_tensor *q = bench.tensor(GGML_TYPE_F32, width, rows), *k = bench.tensor(GGML_TYPE_F32, width, rows);
  ggml_tensor* v = bench.tensor(GGML_TYPE_F32, width, rows);
  const Floats a = Bench::values(q), keys = Bench::values(k), values = Bench::values(v);
  Doubles expected(rows * width), weights(rows);
  for (int row = 0; row < rows; ++row)
    for (int head = 0, dim = width / heads; head < heads; ++head)
      attend(&a[row * width], keys, values, every(1, 0, rows), width, head * dim, dim, weights.data(),
             &expected[row * width]);
  expect_near("self_attention of " + std::to_string(rows),
              Bench::compute([&](Graph& graph) { return self_attention(graph, q, k, v, heads); }), expected,
              1e-5);
}

/** A cache that holds x as `put` rounds it, and what it then holds as rows [width, keys]. */
Cached rounded(Bench& bench, ggml_tensor* x, int heads, Floats& held) {
  const int64_t dim = x->ne[0] / heads, keys = x->ne[1];
  const auto by_heads = [&](ggml_tensor* whole, int64_t size) {
    return ggml_reshape_3d(bench.context(), whole, size, keys, heads);
  };
  const Cached cache{
      by_heads(bench.tensor(GGML_TYPE_I8, x->ne[0], keys), dim),
      by_heads(bench.tensor(GGML_TYPE_F32, heads, keys), 1),
      ggml_reshape_3d(bench.context(), bench.tensor(GGML_TYPE_F32, dim, heads), dim, 1, heads)};
  Bench::compute([&](Graph& graph) { return put(graph, x, cache); });
  const Floats exact = Bench::values(x), scales = Bench::values(cache.scales),
               mean = Bench::values(cache.mean);
  held.resize(exact.size());
  for (int64_t key = 0; key < keys; ++key) {
    for (int64_t i = 0; i < x->ne[0]; ++i) {
      const int64_t at = i / dim * keys + key;
      const auto step = static_cast<const int8_t*>(cache.values->data)[at * dim + i % dim];
      held[key * x->ne[0] + i] = static_cast<float>(step) * scales[at] + mean[i];
    }
  }
  const Doubles expected(exact.begin(), exact.end());
  // half of one of the 127 steps to the largest difference to the mean
  expect_near("8 bits", held, expected, 0.6 / 127);
  return cache;
}

/** `step` 1: every row sees all keys, in 8 bits; else a row i sees keys i % step, i % step + step ... */
void test_cached_attention(const std::vector<int>& counts, int keys, int step) {
  constexpr int width = 128, heads = 2, dim = width / heads, asked = 1;
  Bench bench;
  int rows = 0;
  for (const int count : counts) rows += count;
  ggml_tensor* q = bench.tensor(GGML_TYPE_F32, width, rows);
  const Floats a = Bench::values(q);
  Doubles expected(rows * width), expected_weights(rows * keys);
  Floats weights(rows * keys, -1.0f);
  std::vector<Reader> readers;
  int row = 0;
  for (const int count : counts) {
    Reader reader{row, count, {}, {}, {}, {}, {}};
    Floats all_keys, all_values;
    const auto cached = [&](Floats& held) -> Cached {
      if (step == 1) return rounded(bench, bench.tensor(GGML_TYPE_F32, width, keys), heads, held);
      ggml_tensor* cache = bench.tensor(GGML_TYPE_F16, width, keys);
      held = Bench::values(cache);
      return {ggml_view_3d(bench.context(), cache, dim, keys, heads, cache->nb[1], dim * sizeof(half), 0)};
    };
    reader.k = cached(all_keys);
    reader.v = cached(all_values);
    if (step == 1) {
      reader.heads = {asked};
      reader.weights = {&weights[row * keys]};
    }
    for (int i = 0; i < count; ++i, ++row) {
      const std::vector<int> visible = every(step, i % step, keys);
      if (step > 1) reader.visible.emplace_back(visible.begin(), visible.end());
      for (int head = 0; head < heads; ++head) {
        Doubles of_head(keys);
        attend(&a[row * width], all_keys, all_values, visible, width, head * dim, dim, of_head.data(),
               &expected[row * width]);
        if (head == asked) std::copy(of_head.begin(), of_head.end(), &expected_weights[row * keys]);
      }
    }
    readers.push_back(std::move(reader));
  }
  const auto build = [&](Graph& graph) { return cached_attention(graph, q, readers, heads, {}); };
  expect_near("cached_attention", Bench::compute(build), expected, 1e-5);
  if (step == 1) expect_near("its weights", weights, expected_weights, 1e-5);
}

/** What nodes do with the kernels that dispatch.cc does not pick here. */
void test_kernels(const Kernels& k) {
  constexpr int columns = 70, depth = 48, stride = 80;
  const Floats a = noise(kBlockRows * kBlockStride), weights = noise(columns * depth);
  Floats packed((columns + kPanel) * depth);
  k.pack_f32(weights.data(), depth, columns, depth, packed.data());
  for (int rows = 1; rows <= kBlockRows; ++rows) {
    Doubles expected(rows * stride, 7.0);
    for (int row = 0; row < rows; ++row) {
      for (int column = 0; column < columns; ++column) {
        double& sum = expected[row * stride + column] = 0.0;
        for (int i = 0; i < depth; ++i)
          sum += static_cast<double>(a[row * kBlockStride + i]) * weights[column * depth + i];
      }
    }
    Floats multiplied(expected.size(), 7.0f), dotted = multiplied;
    k.multiply(a.data(), rows, depth, packed.data(), columns, multiplied.data(), stride, false);
    expect_near(std::string(k.name) + " multiply", multiplied, expected, 1e-5);
    k.dots_f32(a.data(), kBlockStride, rows, weights.data(), depth, columns, depth, dotted.data(), stride);
    expect_near(std::string(k.name) + " dots", dotted, expected, 1e-5);
  }
  for (const float size : {0.0f, 1e-3f, 1e3f}) {
    Floats x = noise(64);
    for (float& value : x) value *= size;
    std::vector<int8_t> steps(x.size());
    const float scale = k.quantise(x.data(), 64, steps.data());
    Doubles held(steps.begin(), steps.end()), exact(x.begin(), x.end());
    for (size_t i = 0; i < x.size(); ++i) {
      held[i] *= scale / std::max(size, 1e-9f);
      exact[i] /= std::max(size, 1e-9f);
    }
    expect_near(std::string(k.name) + " quantise", held, exact, 0.5 / 127 + 1e-6);
    Floats dotted(1), sums(32);
    k.dots_i8(x.data(), 64, 1, steps.data(), 64, 1, 64, dotted.data(), 1);
    double dot = 0.0;
    for (size_t i = 0; i < x.size(); ++i) dot += static_cast<double>(x[i]) * steps[i];
    expect_near(std::string(k.name) + " dots of bytes", dotted, {dot}, 1e-5);
    k.combine_i8(x.data(), 2, 1, steps.data(), 32, 2, 32, sums.data(), 32);
    Doubles combined(32);
    for (size_t i = 0; i < 32; ++i)
      combined[i] = static_cast<double>(x[0]) * steps[i] + static_cast<double>(x[1]) * steps[32 + i];
    expect_near(std::string(k.name) + " combined bytes", sums, combined, 1e-5);
  }
  const float broken[32] = {NAN, INFINITY, -INFINITY, 1.0f};
  std::vector<int8_t> some(32);
  k.quantise(broken, 32, some.data());
  Doubles bounded(32);
  std::fill_n(bounded.begin(), 3, -127.0);
  expect_near(std::string(k.name) + " quantise of what is no number", some, bounded, 0.0);
  const Floats x = noise(37);
  Floats y = x;
  k.finish(x.data(), nullptr, true, nullptr, 37, y.data());
  Doubles expected(37);
  for (size_t i = 0; i < x.size(); ++i) expected[i] = gelu_of(x[i]);
  expect_near(std::string(k.name) + " gelu", y, expected, 1e-6);
}

}  // namespace

int main() {
  test_kernels(baseline::table);
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) test_kernels(avx2::table);
  if (__builtin_cpu_supports("avx512f")) test_kernels(avx512::table);
#endif
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q5_0,
                               GGML_TYPE_Q5_1, GGML_TYPE_Q4_0, GGML_TYPE_Q4_1}) {
    for (const int rows : {1, 2, 3, 7, 8, 25, 41}) test_product(type, rows, 384, 101);
    test_product(type, 26, 1152, 64);
  }
  test_product(GGML_TYPE_F16, 1500, 128, 300);
  for (const int rows : {1, 33}) test_norm(rows, 384);
  for (const int rows : {1, 7, 15, 700}) test_self_attention(rows, 192, 3);
  for (const int step : {1, 3}) {
    test_cached_attention({1}, 1500, step);
    test_cached_attention({5, 1, 15}, 77, step);
  }
  std::puts("ok");
}
