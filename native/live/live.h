#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "audio/audio.h"
#include "live/stream.h"

/**
 * A Stream on a thread of its own, and the queue that leads there. Three parties: the owner calls what is
 * under "the owner's", always on one thread, and never waits; run() is the stream's thread; wake() is for
 * any. What the owner asks for is done in the order of the calls.
 */
class Live {
 public:
  struct Options {
    /** Of the samples that will come. */
    int rate = kSampleRate;
    /** Silero's weights; "": Energy judges. */
    std::string vad_model;
    int64_t max_buffered_ms = 0;
  };

  /** Called on the stream's thread, in order. */
  struct Events {
    /** How probably the next frames of 32 ms are speech; `end_ms`: where the last one ends. */
    std::function<void(std::vector<float> probabilities, int64_t end_ms)> frames;
    /** What a cut() asked for, 16 kHz. */
    std::function<void(std::vector<float> samples)> cut;
    /** The first so many tasks are done, and nothing is left to do. */
    std::function<void(int64_t done)> idle;
  };

  /** Reads the weights: some milliseconds. Throws Error io, bad_model. */
  explicit Live(const Options& options);

  // The owner's.

  /** Copies bytes of 16-bit samples. False, and nothing is taken: more than the maximum would be kept. */
  [[nodiscard]] bool append(const uint8_t* bytes, size_t size);
  /** Asks for a copy of the audio between two times, of what was appended until now. */
  void cut(int64_t from_ms, int64_t to_ms);
  /** Frees what lies before, of what was appended until now. */
  void forget(int64_t before_ms);
  int64_t appended_ms() const { return ms_of_bytes(appended_); }
  int64_t forgotten_ms() const { return forgotten_ms_; }
  /** Tasks that the calls above made so far. */
  int64_t tasks() const { return made_; }

  /** Any thread: makes run() look at its flag. */
  void wake();

  /** The stream's thread, once: works until `cancelled` is set. Throws Error internal, std::bad_alloc. */
  void run(const std::atomic<bool>& cancelled, const Events& events);

 private:
  struct Cut {
    int64_t from_ms, to_ms;
  };
  struct Forget {
    int64_t before_ms;
  };
  using Bytes = std::vector<uint8_t>;
  using Task = std::variant<Bytes, Cut, Forget>;

  int64_t ms_of_bytes(int64_t bytes) const { return bytes / 2 * 1000 / options_.rate; }
  void put(Task task);
  /** Waits for tasks, if there is nothing else to do. */
  std::deque<Task> take(const std::atomic<bool>& cancelled, bool wait);

  const Options options_;
  std::unique_ptr<Stream> stream_;  // until run() begins

  // the owner's
  int64_t appended_ = 0;  // bytes
  int64_t forgotten_ms_ = 0;
  int64_t made_ = 0;

  std::atomic<int64_t> judged_{0};  // bytes: all whole frames up to here are
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_;  // guarded by mutex_
};
