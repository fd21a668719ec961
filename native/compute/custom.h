#pragma once

#include <ggml.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "compute/graph.h"

// Nodes of our own in a ggml graph. ggml computes one on all threads of its team at once; an exception there
// ends the process, as ggml's own failures do.

/** Into how many parts of at most `part` a whole is cut. */
constexpr int parts(int64_t whole, int part) {
  return static_cast<int>((whole + part - 1) / part);
}

/** Hands out a node's tasks to the threads that compute it; as new when the last of them has left. */
class Tasks {
 public:
  /** All `threads` call this with the same `count`: work(0 ... count - 1), each once. */
  template <class Work>
  void share(int count, int threads, Work&& work) {
    for (int task = next_.fetch_add(1); task < count; task = next_.fetch_add(1)) work(task);
    if (left_.fetch_add(1) + 1 < threads) return;
    left_ = 0;
    next_ = 0;
  }

 private:
  std::atomic<int> next_{0};
  std::atomic<int> left_{0};
};

/** At least so many floats for this thread's task, aligned to a cache line. The next call's are the same
 * memory. */
float* scratch(size_t floats);

/** A node [ne0, ne1] of f32 from Operation{arguments...}.compute(node, threads), which all threads call. */
template <class Operation, class... Arguments>
ggml_tensor* custom(Graph& graph, int64_t ne0, int64_t ne1, std::vector<ggml_tensor*> sources,
                    Arguments&&... arguments) {
  auto* operation = graph.keep<Operation>(std::forward<Arguments>(arguments)...);
  const auto compute = [](ggml_tensor* node, int, int threads, void* data) noexcept {
    static_cast<Operation*>(data)->compute(node, threads);
  };
  return ggml_custom_4d(graph.context(), GGML_TYPE_F32, ne0, ne1, 1, 1, sources.data(),
                        static_cast<int>(sources.size()), compute, GGML_N_TASKS_MAX, operation);
}

/** A tensor's rows as pointers; `T` is its element type. */
template <class T>
T* row_of(const ggml_tensor* tensor, int64_t row) {
  return reinterpret_cast<T*>(static_cast<char*>(tensor->data) + row * static_cast<int64_t>(tensor->nb[1]));
}

/** Elements from one row of a tensor to the next. */
template <class T>
size_t stride_of(const ggml_tensor* tensor) {
  return tensor->nb[1] / sizeof(T);
}
