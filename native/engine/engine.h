#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "compute/device.h"
#include "engine/caches.h"
#include "engine/decoder.h"
#include "engine/encoder.h"
#include "engine/scheduler.h"
#include "whisper/weights.h"

/** What an engine has computed so far. */
struct Counters {
  int64_t windows = 0;
  int64_t encoding_us = 0;
  int64_t steps = 0;
  int64_t rows = 0;
  int64_t decoding_us = 0;
};

/** A loaded model, ready to run: its weights, the memory of the windows under way, and what computes them. */
class Engine {
 public:
  struct Options {
    /** Of the CPU, for all runs together. */
    int threads = 1;
    /** Windows at the same time, at most. */
    int slots = 1;
    /** Our kernels on the CPU; false: ggml's, as on a GPU. */
    bool kernels = true;
    /** What their memory may take; 0: no limit. There is one slot at least. */
    size_t slots_bytes = 0;
  };

  /** Throws Error out_of_memory. */
  Engine(std::shared_ptr<Weights> weights, const Options& options);

  const Weights& weights() const { return *weights_; }
  Scheduler& scheduler() { return *scheduler_; }
  Scheduler::Group& group() { return group_; }
  int slots() const { return caches_.slots(); }
  /** Any thread. */
  int slots_in_use() const { return slots() - scheduler_->free_slots(group_); }
  /** Computes one stage of a window's encoding; true when it was the last. Compute thread only. */
  bool encode(int stage, int slot, const std::vector<float>& mel);
  /** Memory of a window that is decoded. Any thread. */
  size_t bytes_per_slot() const;
  /** Any thread. */
  Counters counters() const;

 private:
  void step(const std::vector<Request*>& requests);

  const std::shared_ptr<Weights> weights_;
  const std::shared_ptr<Scheduler> scheduler_;
  Device device_;
  Caches caches_;
  Encoder encoder_;
  Decoder decoder_;
  Scheduler::Group group_;
  mutable std::mutex counters_mutex_;
  Counters counters_;
};

/** A run's presence, from the call that starts it to its end: runs are served in the order of their coming.
 * Any thread. */
class Visit {
 public:
  Visit(std::shared_ptr<Engine> engine, Priority priority)
      : engine_(std::move(engine)), arrived_(engine_->scheduler().arrive(priority)) {}
  ~Visit() { engine_->scheduler().leave(); }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  Engine& engine() const { return *engine_; }
  /** Moves on as audio is served. */
  Place place() const { return {arrived_.priority, arrived_.served_ms + served_ms_, arrived_.arrival}; }
  void serve(int64_t ms) {
    served_ms_ += ms;
    engine_->scheduler().serve(ms);
  }

 private:
  const std::shared_ptr<Engine> engine_;
  const Place arrived_;
  std::atomic<int64_t> served_ms_{0};
};
