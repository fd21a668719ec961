#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "compute/graph.h"

struct ggml_backend;
struct ggml_backend_buffer;
struct ggml_backend_sched;

/** Tensors of our own that stay: their memory on a device, zeroed. */
class Store {
 public:
  explicit Store(size_t most_tensors);
  /** Before allocate() only. `type`: a ggml_type. */
  ggml_tensor* tensor(int type, int64_t ne0, int64_t ne1 = 1, int64_t ne2 = 1);

 private:
  friend class Device;
  struct ContextDeleter {
    void operator()(ggml_context* context) const;
  };
  struct BufferDeleter {
    void operator()(ggml_backend_buffer* buffer) const;
  };
  std::vector<std::byte> memory_;
  std::unique_ptr<ggml_context, ContextDeleter> context_;
  std::unique_ptr<ggml_backend_buffer, BufferDeleter> buffer_;
};

/** What computes graphs: a GPU with the CPU for what it cannot do, or the CPU alone with our kernels. One
 * thread. */
class Device {
 public:
  /** Takes the ownership of the backends, the CPU's last. `threads`: of the CPU; `kernels`: whether ours may
   * be used. */
  Device(std::vector<ggml_backend*> backends, int threads, bool kernels);

  /** Whether graphs for this device may hold our kernels. */
  bool kernels() const;
  /** Free memory of the device that holds the tensors, in bytes; 0 where it does not say. */
  size_t free_bytes() const;
  /** Gives the store's tensors memory. `whole`: all of it will be used, and walked through. Throws Error
   * out_of_memory. */
  void allocate(Store& store, bool whole);
  /** Computes the graph. Its results are there until the next one. Throws Error out_of_memory and internal.
   */
  void compute(Graph& graph);
  /** Copies `bytes` of a result, from `offset` on. */
  static void read(const ggml_tensor* result, void* to, size_t offset, size_t bytes);

 private:
  struct BackendDeleter {
    void operator()(ggml_backend* backend) const;
  };
  struct ScheduleDeleter {
    void operator()(ggml_backend_sched* schedule) const;
  };
  const bool kernels_;
  std::vector<std::unique_ptr<ggml_backend, BackendDeleter>> backends_;
  std::unique_ptr<ggml_backend_sched, ScheduleDeleter> schedule_;
};
