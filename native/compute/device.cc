#include "compute/device.h"

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "error.h"

namespace {

/** More than a step of the largest model has. */
constexpr size_t kMostNodes = 16384;

/** Attention walks through whole caches: with pages of 2 MiB a step of eight windows takes 20 ms in place
 * of 25. */
void prefer_large_pages(ggml_backend_buffer* buffer) {
#ifdef __linux__
  if (!ggml_backend_buffer_is_host(buffer)) return;
  constexpr uintptr_t page = uintptr_t{2} << 20;
  const auto begin = reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer));
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + ggml_backend_buffer_get_size(buffer)) / page * page;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  static_cast<void>(buffer);
#endif
}

}  // namespace

void Store::ContextDeleter::operator()(ggml_context* context) const {
  ggml_free(context);
}

void Store::BufferDeleter::operator()(ggml_backend_buffer* buffer) const {
  ggml_backend_buffer_free(buffer);
}

Store::Store(size_t most_tensors)
    : memory_(ggml_tensor_overhead() * most_tensors),
      context_(ggml_init({memory_.size(), memory_.data(), /*no_alloc=*/true})) {
  if (!context_) throw Error("out_of_memory", "No memory for tensors");
}

ggml_tensor* Store::tensor(int type, int64_t ne0, int64_t ne1, int64_t ne2) {
  return ggml_new_tensor_3d(context_.get(), static_cast<ggml_type>(type), ne0, ne1, ne2);
}

void Device::BackendDeleter::operator()(ggml_backend* backend) const {
  ggml_backend_free(backend);
}

void Device::ScheduleDeleter::operator()(ggml_backend_sched* schedule) const {
  ggml_backend_sched_free(schedule);
}

Device::Device(std::vector<ggml_backend*> backends, int threads, bool kernels) : kernels_(kernels) {
  for (ggml_backend* each : backends) backends_.emplace_back(each);
  const bool gpu =
      !ggml_backend_is_cpu(backends.front()) &&
      ggml_backend_dev_type(ggml_backend_get_device(backends.front())) != GGML_BACKEND_DEVICE_TYPE_ACCEL;
  // without a GPU our kernels do what an accelerator (a BLAS library) would do
  if (!gpu) {
    backends_.erase(backends_.begin(), backends_.end() - 1);
    backends.erase(backends.begin(), backends.end() - 1);
  }
  ggml_backend_cpu_set_n_threads(backends.back(), threads);
  schedule_.reset(ggml_backend_sched_new(backends.data(), nullptr, static_cast<int>(backends.size()),
                                         kMostNodes,
                                         /*parallel=*/false, /*op_offload=*/true));
  if (!schedule_) throw Error("out_of_memory", "No memory for computing");
}

bool Device::kernels() const {
  return kernels_ && ggml_backend_is_cpu(backends_.front().get());
}

size_t Device::free_bytes() const {
  size_t free = 0;
  size_t total = 0;
  ggml_backend_dev_memory(ggml_backend_get_device(backends_.front().get()), &free, &total);
  return free;
}

void Device::allocate(Store& store, bool whole) {
  store.buffer_.reset(ggml_backend_alloc_ctx_tensors(store.context_.get(), backends_.front().get()));
  if (!store.buffer_) throw Error("out_of_memory", "No memory for the caches of this model");
  if (whole) prefer_large_pages(store.buffer_.get());
  // the kernels read only what was written; the others also what is masked, which must be numbers
  if (!kernels()) ggml_backend_buffer_clear(store.buffer_.get(), 0);
}

void Device::compute(Graph& graph) {
  ggml_backend_sched_reset(schedule_.get());
  if (!ggml_backend_sched_alloc_graph(schedule_.get(), graph.cgraph())) {
    throw Error("out_of_memory", "No memory for computing");
  }
  for (const auto& [tensor, bytes] : graph.uploads()) {
    ggml_backend_tensor_set(tensor, bytes.data(), 0, bytes.size());
  }
  if (ggml_backend_sched_graph_compute(schedule_.get(), graph.cgraph()) != GGML_STATUS_SUCCESS) {
    throw Error("internal", "The model could not be computed");
  }
  for (const auto& [tensor, to] : graph.downloads())
    ggml_backend_tensor_get(tensor, to, 0, ggml_nbytes(tensor));
}

void Device::read(const ggml_tensor* result, void* to, size_t offset, size_t bytes) {
  ggml_backend_tensor_get(result, to, offset, bytes);
}
