#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <tuple>

#include "whisper/options.h"

/**
 * Lets a fixed number of runs compute at a time. A run takes a slot for one 30-second window and then offers
 * it, so that a short clip never waits behind a long file: waiting runs are served by priority, then by least
 * audio served so far, then by arrival. One for the process, since the cores are one: ggml's threads spin,
 * and two runs on the same cores take many times longer than one after the other. Thread-safe.
 */
class Gate {
 public:
  /** Where a run stands in the order of service. */
  struct Place {
    Priority priority;
    int64_t served_ms;
    uint64_t arrival;
    bool operator<(const Place& other) const {
      return std::tie(priority, served_ms, arrival) <
             std::tie(other.priority, other.served_ms, other.arrival);
    }
  };

  /** A run's place: holds a slot between construction and destruction, but for the waits inside offer(). */
  class Slot {
   public:
    /** Waits for a slot. Throws Error cancelled when `cancelled` is set meanwhile (see Gate::wake). */
    Slot(Gate& gate, Place place, const std::atomic<bool>& cancelled);
    ~Slot();
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    /** Gives the slot to a run that comes first, if one waits, and takes it again in turn. Throws Error
     * cancelled. */
    void offer(int64_t served_ms);
    int64_t waited_ms() const { return waited_ms_; }

   private:
    void take(std::unique_lock<std::mutex>& lock);

    Gate& gate_;
    Place place_;
    const std::atomic<bool>& cancelled_;
    int64_t waited_ms_ = 0;
    bool held_ = false;
  };

  /** For a run that comes now. */
  Place arrive(Priority priority) { return {priority, 0, arrivals_++}; }
  /** At least 1. A smaller number takes effect as runs offer their slots. */
  void set_slots(int slots);
  /** Makes waiting runs look at their cancelled flags. */
  void wake();

 private:
  std::atomic<uint64_t> arrivals_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  // In order of service; guarded by mutex_, like the numbers below.
  std::set<Place> waiting_;
  int slots_ = 1;
  int taken_ = 0;
};

/** The process's one gate: runs of all models share the same cores. */
Gate& compute_gate();
