#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include "engine/decoder.h"
#include "whisper/alignment.h"
#include "whisper/options.h"

/** Where a run stands in the order of service. */
struct Place {
  Priority priority;
  /** Audio served so far, beginning with what others had been served when it came. */
  int64_t served_ms;
  uint64_t arrival;

  bool operator<(const Place& other) const {
    return std::tie(priority, served_ms, arrival) < std::tie(other.priority, other.served_ms, other.arrival);
  }
  /** Whether it comes first so clearly that others do not begin a window while it decodes: by its priority,
   * or as a clip does before a recording. Those of about the same rank encode first, to decode together. */
  bool outranks(const Place& other) const {
    constexpr int64_t half_a_window_ms = 15'000;
    if (priority != other.priority) return priority < other.priority;
    return served_ms + half_a_window_ms <= other.served_ms;
  }
};

/** Who asks: `cancelled` ends every wait, see Scheduler::wake(). */
struct Caller {
  Place place;
  const std::atomic<bool>& cancelled;
};

/** Tokens of one window to be decoded, in one step or, if they are many, in several. */
struct Request {
  int slot;
  std::vector<Row> rows;
  /** Of the rows that want them, in order. */
  std::vector<float> logits;
  /** Cross-attention of all rows, when `wants_attention`. */
  bool wants_attention = false;
  Attention attention;
  /** How many rows are done. */
  size_t done = 0;
};

/**
 * Decides what is computed next, and computes it: one thread for the process, since the cores are one. Runs
 * ask from threads of their own and wait. Work goes in stages by place. The windows of a model that are being
 * decoded go step by step together; a step is taken when all of them have asked, and before the work of any
 * run that one of them outranks.
 */
class Scheduler {
 public:
  /** The runs of one model: what they share. */
  class Group {
   public:
    /** `step` decodes rows of all requests on the compute thread. `slots`: windows at the same time. */
    Group(std::shared_ptr<Scheduler> scheduler, int slots,
          std::function<void(const std::vector<Request*>&)> step);
    ~Group();
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

   private:
    friend class Scheduler;
    struct Ticket;
    const std::shared_ptr<Scheduler> scheduler_;
    const std::function<void(const std::vector<Request*>&)> step_;
    // guarded by the scheduler's mutex
    std::vector<int> free_slots_;
    std::multiset<Place> waiting_;
    std::multiset<Place> decoding_;
    std::vector<Ticket*> asking_;
  };

  /** The process's scheduler; its thread ends with the last owner. */
  static std::shared_ptr<Scheduler> shared();
  /** Makes everyone who waits look at his cancelled flag. Any thread. */
  static void wake();

  Scheduler();
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Everything below is for the threads of runs. It blocks, and throws Error cancelled.

  /** The place of a run that comes now; leave() when it ends. Any thread. */
  Place arrive(Priority priority);
  void leave();
  /** Counts audio as served to one of those present. */
  void serve(int64_t ms);

  int take_slot(Group& group, const Caller& caller);
  void give_slot(Group& group, int slot);
  /** Slots that nobody has now. Any thread; does not wait for work. */
  int free_slots(const Group& group);
  /** Whether a run that comes before `place` waits for a slot. */
  bool is_wanted(const Group& group, const Place& place);

  /** Calls `stage` on the compute thread, between other work, until it returns true; throws what it throws.
   */
  void work(const Caller& caller, std::function<bool()> stage);

  /** Between these two, steps of the group wait for the caller. */
  void begin_decoding(Group& group, const Place& place);
  void end_decoding(Group& group, const Place& place);
  /** Decodes all rows of the request; throws what the group's step throws. */
  void decode(Group& group, const Caller& caller, Request& request);

 private:
  struct Job;

  void loop();
  void compute(std::unique_lock<std::mutex>& lock, Job& job);
  void step(std::unique_lock<std::mutex>& lock, Group& group);
  Job* next_job() const;
  Group* next_group(const Job* job) const;

  std::mutex mutex_;
  /** For the compute thread, and for those who wait for it. */
  std::condition_variable asked_;
  std::condition_variable changed_;
  // guarded by mutex_
  std::vector<Job*> jobs_;
  std::vector<Group*> groups_;
  uint64_t arrivals_ = 0;
  int present_ = 0;
  int64_t served_ms_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};
