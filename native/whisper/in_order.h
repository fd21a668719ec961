#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

/**
 * Runs `job(0) ... job(count - 1)` on up to `most` threads of its own. What a job gives to its `emit` reaches
 * the calling thread's `emit` in the order of the jobs, as soon as those before it have ended. Returns when
 * all have ended; after a failure no more are begun, and the first one, in the order of the jobs, is thrown.
 */
template <class Item>
void run_in_order(size_t count, size_t most,
                  const std::function<void(size_t job, const std::function<void(Item)>& emit)>& job,
                  const std::function<void(Item)>& emit) {
  struct Output {
    std::deque<Item> items;
    bool ended = false;
    std::exception_ptr failure;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Output> outputs(count);
  std::atomic<size_t> next{0};

  const auto work = [&] {
    for (size_t mine = next++; mine < count; mine = next++) {
      Output& output = outputs[mine];
      std::exception_ptr failure;
      try {
        job(mine, [&](Item item) {
          const std::lock_guard lock(mutex);
          output.items.push_back(std::move(item));
          changed.notify_one();
        });
      } catch (...) {
        failure = std::current_exception();
        next = count;
      }
      const std::lock_guard lock(mutex);
      output.ended = true;
      output.failure = failure;
      changed.notify_one();
    }
  };

  struct Team {
    std::vector<std::thread> threads;
    ~Team() {
      for (std::thread& each : threads) each.join();
    }
  } team;
  for (size_t i = 0; i < std::min(count, most); ++i) team.threads.emplace_back(work);

  for (Output& output : outputs) {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return output.ended || !output.items.empty(); });
      if (output.items.empty()) break;
      Item item = std::move(output.items.front());
      output.items.pop_front();
      lock.unlock();
      emit(std::move(item));
      lock.lock();
    }
    if (output.failure) std::rethrow_exception(output.failure);
  }
}
