#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

struct ggml_cgraph;
struct ggml_context;
struct ggml_tensor;

/**
 * A ggml graph under construction, and whatever its nodes need until it has been computed. `kernels`: its
 * nodes may be ours (nodes.h), because it will be computed on the CPU; else all nodes are ggml's. One thread.
 */
class Graph {
 public:
  Graph(size_t most_nodes, bool kernels);

  ggml_context* context() const { return context_.get(); }
  ggml_cgraph* cgraph() const { return cgraph_; }
  bool kernels() const { return kernels_; }
  /** Adds a node, and those it is computed from, in the order of the calls. */
  void add(ggml_tensor* node);
  /** A tensor that is filled after the graph has been allocated. `type`: a ggml_type. */
  ggml_tensor* input(int type, int64_t ne0, int64_t ne1 = 1, int64_t ne2 = 1);
  /** A tensor whose content is known now: whoever computes the graph uploads it (uploads()) once it is
   * allocated. */
  template <class T>
  ggml_tensor* constant(int type, const std::vector<T>& values, int64_t ne0, int64_t ne1 = 1) {
    ggml_tensor* tensor = input(type, ne0, ne1);
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    uploads_.push_back({tensor, {bytes, bytes + values.size() * sizeof(T)}});
    return tensor;
  }
  struct Upload {
    ggml_tensor* tensor;
    std::vector<std::byte> bytes;
  };
  /** To be set before each computation: ggml reuses an input's memory once its last reader is done. */
  const std::vector<Upload>& uploads() const { return uploads_; }
  /** Adds a node of f32 whose content is copied to `to` once it is computed. */
  void download(ggml_tensor* node, float* to);
  struct Download {
    const ggml_tensor* tensor;
    float* to;
  };
  const std::vector<Download>& downloads() const { return downloads_; }
  /** Makes a node's parameters, which live as long as the graph. */
  template <class T, class... Arguments>
  T* keep(Arguments&&... arguments) {
    const auto owned = std::make_shared<T>(std::forward<Arguments>(arguments)...);
    kept_.push_back(owned);
    return owned.get();
  }

 private:
  struct Deleter {
    void operator()(ggml_context* context) const;
  };
  std::vector<std::byte> memory_;
  std::unique_ptr<ggml_context, Deleter> context_;
  ggml_cgraph* cgraph_;
  bool kernels_;
  std::vector<Upload> uploads_;
  std::vector<Download> downloads_;
  std::vector<std::shared_ptr<void>> kept_;
};
